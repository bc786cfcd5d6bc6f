// One socket that goes elsewhere.

import assert from "node:assert/strict";

import { host } from "../../support/host.js";
import { Client } from "../../support/probe.js";
import { next } from "../../support/wait.js";

/** Goes where these properties say. */
async function goes(client, properties) {
  const before = client.socket.url;
  client.socket.updateProperties(properties);
  assert.equal(client.socket.url, before, "until it connects again it is where it was");
  const again = next(client.socket, "open");
  client.socket.reconnect();
  await again;
}

export const rows = {
  "updated-room": async (room) => {
    const client = await Client.open({ room });
    await goes(client, { room: `${room}-south` });
    assert.equal(await client.ask("id"), `${room}-south`);
    assert.equal(client.socket.room, `${room}-south`);
    await goes(client, { room });
    assert.equal(await client.ask("id"), room);
  },
  "updated-party": async (room) => {
    const client = await Client.open({ room });
    await goes(client, { party: "other" });
    assert.equal(new URL(await client.ask("uri")).pathname, `/parties/other/${room}`);
    assert.equal(client.socket.name, "other");
  },
  "updated-with-a-path": async (room) => {
    const client = await Client.open({ room, path: "below" });
    const stumbles = () => client.socket.updateProperties({ party: "other" });
    assert.throws(stumbles, /path must not start with a slash/, "it stumbles over the slash that it has put before it");
    await goes(client, { party: "other", path: "below" });
    assert.equal(new URL(await client.ask("uri")).pathname, `/parties/other/${room}/below`);
  },
  "updated-path": async (room) => {
    const client = await Client.open({ room });
    await goes(client, { path: "below/it" });
    assert.equal(new URL(await client.ask("uri")).pathname, `/parties/main/${room}/below/it`);
  },
  "updated-base-path": async (room) => {
    const client = await Client.open({ room });
    await goes(client, { basePath: `party/${room}-east` });
    assert.equal(await client.ask("id"), `${room}-east`);
  },
  "updated-host": async (room) => {
    const client = await Client.open({ room });
    const there = host.replace("127.0.0.1", "localhost");
    await goes(client, { host: there });
    assert.equal(new URL(client.socket.url).host, there);
    assert.equal(new URL(await client.ask("uri")).host, there, "the room is told what the client asked for");
  },
  "updated-query": async (room) => {
    const client = await Client.open({ room, query: { token: "old" } });
    await goes(client, { query: async () => ({ token: "new" }) });
    assert.equal(new URL(await client.ask("uri")).searchParams.get("token"), "new");
  },
  "updated-protocols": async (room) => {
    const client = await Client.open({ room, protocols: ["one"] });
    await goes(client, { protocols: ["two", "one"] });
    assert.equal(client.socket.protocol, "two");
  },
  "updated-where-messages-wait": async (room) => {
    const client = new Client({ room });
    client.socket.send("id");
    client.socket.updateProperties({ room: `${room}-south` });
    assert.equal(await client.answer(), `${room}-south`, "what waits goes to where the socket goes");
  },
  "start-closed": async (room) => {
    const client = new Client({ startClosed: true });
    assert.equal(client.socket.readyState, client.socket.CLOSED);
    assert.equal(client.socket.send("id"), false);
    client.socket.updateProperties({ room });
    const opened = next(client.socket, "open");
    client.socket.reconnect();
    await opened;
    assert.equal(await client.answer(), room);
  },
};
