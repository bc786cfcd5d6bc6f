// Where PartySocket goes: URL, protocol, host, room and path.

import assert from "node:assert/strict";

import { host } from "../../support/host.js";
import { Client, warnings } from "../../support/probe.js";
import { connect } from "../../support/sockets.js";
import { next } from "../../support/wait.js";

const [, port] = host.split(":");

/** Where one would go that goes nowhere yet. */
const roomUrl = (options) => connect({ room: "r", startClosed: true, ...options }).roomUrl;

export const rows = {
  "url-is-long": async (room) => {
    const options = { room, party: "other", path: "below/it", query: { a: "1" }, id: "ada" };
    const client = await Client.open(options);
    const rest = `${host}/parties/other/${room}/below/it?_pk=ada&a=1`;
    assert.equal(client.socket.url, `ws://${rest}`);
    assert.equal(await client.ask("uri"), `http://${rest}`, "the room is told the whole of it");
  },
  "url-of-the-main-party": async (room) => {
    const client = await Client.open({ room, party: undefined });
    assert.equal(new URL(client.socket.url).pathname, `/parties/main/${room}`);
    assert.equal(client.socket.name, "main");
    assert.equal(await client.ask("id"), room);
  },
  "url-prefix": async (room) => {
    const client = await Client.open({ room, prefix: "parties" });
    assert.equal(new URL(client.socket.url).pathname, `/parties/main/${room}`);
    const lost = connect({ room, prefix: "rooms/of", maxRetries: 0 });
    assert.match((await next(lost, "error")).message, /404/);
    assert.equal(lost.roomUrl, `ws://${host}/rooms/of/main/${room}`);
  },
  "url-base-path": async (room) => {
    const client = await Client.open({ basePath: `party/${room}`, path: "below" });
    assert.equal(new URL(client.socket.url).pathname, `/party/${room}/below`);
    assert.equal(await client.ask("id"), room);
    const both = await Client.open({ basePath: `parties/other/${room}`, room: "elsewhere", party: "main" });
    assert.equal(await both.ask("id"), room, "it goes before room and party");
  },
  "url-path": async (room) => {
    const client = await Client.open({ room, path: "a/b c/" });
    assert.equal(await client.ask("id"), room);
    assert.equal(new URL(await client.ask("uri")).pathname, `/parties/main/${room}/a/b%20c/`);
  },
  "url-path-with-a-slash-first": async (room) => {
    assert.throws(() => connect({ room, path: "/below" }), /path must not start with a slash/);
  },
  "protocol-nearby": async (room) => {
    const nearby = ["localhost:1", "127.0.0.1:1", "192.168.0.1", "10.1.2.3", "172.16.0.1", "172.31.0.1", "[::ffff:7f00:1]:1"];
    for (const there of nearby) assert.match(roomUrl({ host: there }), /^ws:/, there);
    for (const name of ["localhost", "127.0.0.1", "[::ffff:7f00:1]"]) {
      const client = await Client.open({ room, host: `${name}:${port}` });
      assert.equal(await client.ask("id"), room, name);
    }
  },
  "protocol-elsewhere": async () => {
    for (const there of ["example.com", "localhost", "172.15.0.1", "172.32.0.1", "192.169.0.1", "127.0.0.1"]) {
      assert.match(roomUrl({ host: there }), /^wss:/, there);
    }
  },
  "protocol-named": async (room) => {
    assert.match(roomUrl({ host, protocol: "wss" }), /^wss:/);
    assert.match(roomUrl({ host: `0.0.0.0:${port}` }), /^wss:/);
    const client = await Client.open({ room, host: `0.0.0.0:${port}`, protocol: "ws" });
    assert.equal(await client.ask("id"), room);
  },
  "host-stripped": async (room) => {
    for (const there of [`http://${host}/`, `https://${host}`, `ws://${host}`, `wss://${host}/`]) {
      const client = await Client.open({ room, host: there });
      assert.equal(client.socket.host, host);
      assert.equal(await client.ask("id"), room);
    }
  },
  "room-as-it-is": async (room) => {
    const client = await Client.open({ room: `${room} é` });
    assert.equal(await client.ask("id"), `${room}%20%C3%A9`, "what a URL makes of it is the room's id, never decoded");
    const encoded = await Client.open({ room: `${room}%2Fb%20` });
    assert.equal(await encoded.ask("id"), `${room}%2Fb%20`);
    assert.equal(encoded.socket.room, `${room}%2Fb%20`);
  },
  "room-with-a-slash": async (room) => {
    const said = await warnings(async () => {
      const client = await Client.open({ room: `${room}/below` });
      assert.equal(await client.ask("id"), room, "what follows is a path below the room");
      const other = await Client.open({ party: "other/there", room });
      assert.equal(await other.ask("id"), "there");
    });
    assert.equal(said.length, 2, said.join("\n"));
    for (const warning of said) assert.match(warning, /contains forward slash/);
    const silent = await warnings(() => Client.open({ room: `${room}/below`, disableNameValidation: true }));
    assert.deepEqual(silent, []);
  },
  "room-left-out": async () => {
    assert.throws(() => connect({}), /Either room or basePath must be provided/);
    assert.throws(() => connect({ startClosed: true }).reconnect(), /room \(or basePath\) must be set/);
  },
};
