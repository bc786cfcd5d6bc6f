// The query: an object or a function, asked again for every connection.

import assert from "node:assert/strict";

import { Client } from "../../support/probe.js";
import { Timers } from "../../support/timers.js";
import { next } from "../../support/wait.js";

/** The query as the room sees it, without the id. */
async function seen(client) {
  const url = new URL(await client.ask("uri"));
  const [[first, id], ...rest] = url.searchParams;
  assert.deepEqual([first, id], ["_pk", client.socket.id], "the id is first");
  return rest;
}

/** What the room sees of a query at the first connection and at the second. */
async function seenTwice(room, query) {
  const client = await Client.open({ room, query });
  const first = await seen(client);
  const again = next(client.socket, "open");
  client.socket.reconnect();
  await again;
  return [first, await seen(client)];
}

export const rows = {
  "query-object": async (room) => {
    const client = await Client.open({ room, query: { token: "a b&c=d#é", empty: "", zero: 0, no: false } });
    assert.deepEqual(await seen(client), [["token", "a b&c=d#é"], ["empty", ""], ["zero", "0"], ["no", "false"]]);
  },
  "query-nothing": async (room) => {
    const client = await Client.open({ room, query: { gone: null, a: "1", left: undefined } });
    assert.deepEqual(await seen(client), [["a", "1"]]);
  },
  "query-function": async (room) => {
    let asked = 0;
    const visits = await seenTwice(room, () => ({ visit: (asked += 1) }));
    assert.deepEqual(visits, [[["visit", "1"]], [["visit", "2"]]]);
  },
  "query-async-function": async (room) => {
    let asked = 0;
    const visits = await seenTwice(room, async () => ({ visit: (asked += 1), none: null }));
    assert.deepEqual(visits, [[["visit", "1"]], [["visit", "2"]]]);
  },
  "query-after-a-loss": async (room) => {
    let asked = 0;
    await Timers.byHand(async (timers) => {
      const client = await Client.open({ room, query: async () => ({ visit: (asked += 1) }) });
      const again = next(client.socket, "open");
      await client.closedBy("close 4000 again");
      await timers.pass(3000);
      await again;
      assert.deepEqual(await seen(client), [["visit", "2"]]);
    });
  },
  "query-that-fails": async (room) => {
    let asked = 0;
    const query = async () => {
      if ((asked += 1) === 1) throw new Error("no token");
      return { token: "late" };
    };
    await Timers.byHand(async (timers) => {
      const client = new Client({ room, query });
      const opened = next(client.socket, "open");
      assert.equal((await next(client.socket, "error")).message, "no token");
      await timers.pass(3000);
      await opened;
      assert.deepEqual(await seen(client), [["token", "late"]]);
    });
  },
};
