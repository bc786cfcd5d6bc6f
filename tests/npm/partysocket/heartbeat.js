// Who finds out that the other has gone: the host asks, PartySocket only answers. In a program of its own, because a host asks
// seldom.

import assert from "node:assert/strict";

import { WebSocket } from "ws";

import { Client } from "../support/probe.js";
import { tryAll } from "../support/rows.js";
import { within } from "../support/wait.js";

/** Longer than a host waits between two pings (`ping_interval_ms` in docs/limits.md). */
const PINGED_MS = 45_000;

/** A WebSocket that counts what it asks, and says when it is asked. */
class Listening extends WebSocket {
  static pings = 0;
  static pinged;

  constructor(...args) {
    super(...args);
    Listening.pinged = new Promise((resolve) => this.once("ping", resolve));
  }

  ping(...args) {
    Listening.pings += 1;
    super.ping(...args);
  }
}

await tryAll({
  "heartbeat": async (room) => {
    const client = await Client.open({ room, WebSocket: Listening, maxRetries: 0 });
    await within(Listening.pinged, "a ping", PINGED_MS);
    assert.equal(Listening.pings, 0, "PartySocket asks nobody");
    assert.equal(await client.ask("key"), client.socket.id, "it has answered, and is still there");
  },
});
