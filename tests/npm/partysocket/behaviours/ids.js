// The id of a client, `_pk`.

import assert from "node:assert/strict";

import { kill, start } from "../../support/host.js";
import { Client } from "../../support/probe.js";
import { Timers } from "../../support/timers.js";
import { next } from "../../support/wait.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** What the room calls this client after it has gone to where its properties say. */
async function keyAfter(client, properties) {
  client.socket.updateProperties(properties);
  const again = next(client.socket, "open");
  client.socket.reconnect();
  await again;
  return client.ask("key");
}

export const rows = {
  "id-drawn": async (room) => {
    const [one, other] = [await Client.open({ room }), await Client.open({ room })];
    assert.match(one.socket.id, UUID);
    assert.notEqual(one.socket.id, other.socket.id);
    assert.equal(await one.ask("key"), one.socket.id, "the room is told the client's id");
    assert.equal(new URL(one.socket.url).searchParams.get("_pk"), one.socket.id);
  },
  "id-given": async (room) => {
    const client = await Client.open({ room, id: "ada & co@example.org é" });
    assert.equal(await client.ask("key"), "ada & co@example.org é");
  },
  "id-stays-over-connections": async (room) => {
    await Timers.byHand(async (timers) => {
      const client = await Client.open({ room });
      const { id } = client.socket;
      let again = next(client.socket, "open");
      client.socket.reconnect();
      await again;
      assert.equal(await client.ask("key"), id);
      const lost = next(client.socket, "close");
      again = next(client.socket, "open");
      await kill();
      await lost;
      await start();
      await timers.pass(3000);
      await again;
      assert.equal(client.socket.id, id);
      assert.equal(await client.ask("key"), id, "the same client, to another life of the host");
    });
  },
  "id-of-other-properties": async (room) => {
    const drawn = await Client.open({ room });
    const before = drawn.socket.id;
    const after = await keyAfter(drawn, { query: { a: "1" } });
    assert.match(after, UUID);
    assert.notEqual(after, before);
    assert.equal(after, drawn.socket.id);
    const given = await Client.open({ room, id: "ada" });
    assert.equal(await keyAfter(given, { query: { a: "1" } }), "ada");
    assert.equal(await keyAfter(given, { id: "grace" }), "grace");
  },
};
