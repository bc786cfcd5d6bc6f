// How often PartySocket tries, and for how long it waits.

import assert from "node:assert/strict";

import { kill, pause, resume, start } from "../../support/host.js";
import { Client } from "../../support/probe.js";
import { Timers } from "../../support/timers.js";
import { next } from "../../support/wait.js";

/** What PartySocket waits before its first attempts, in milliseconds, unless it is told otherwise. */
const DELAYS = [3000, 3900, 5070, 6591, 8568.3, 10_000, 10_000, 10_000, 10_000];

/** Runs while there is no host. */
async function withoutHost(run) {
  await kill();
  try {
    await run();
  } finally {
    await start();
  }
}

/** Lets the next attempt begin, which fails. */
async function fails(client, timers, delay) {
  const failed = next(client.socket, "error");
  if (delay > 0) await timers.pass(delay);
  await failed;
}

/** Lets the next attempt begin, which succeeds. */
async function succeeds(client, timers, delay) {
  const opened = next(client.socket, "open");
  await timers.pass(delay);
  await opened;
}

export const rows = {
  "backoff": async (room) => {
    await Timers.byHand(async (timers) => {
      let client;
      await withoutHost(async () => {
        client = new Client({ room });
        for (const delay of [0, ...DELAYS]) await fails(client, timers, delay);
        assert.equal(client.socket.retryCount, DELAYS.length + 1, "there is no end");
        client.socket.send("key");
      });
      await succeeds(client, timers, 10_000);
      assert.equal(await client.answer(), client.socket.id);
    });
  },
  "backoff-begins-again-after-5-s": async (room) => {
    await Timers.byHand(async (timers) => {
      let client;
      await withoutHost(async () => {
        client = new Client({ room });
        for (const delay of [0, ...DELAYS.slice(0, 4)]) await fails(client, timers, delay);
      });
      await succeeds(client, timers, DELAYS[4]);
      await timers.pass(5000);
      assert.equal(client.socket.retryCount, 0);
      await client.closedBy("close 4000 again");
      await succeeds(client, timers, 3000);
    });
  },
  "backoff-goes-on-before-5-s": async (room) => {
    await Timers.byHand(async (timers) => {
      let client;
      await withoutHost(async () => {
        client = new Client({ room });
        for (const delay of [0, ...DELAYS.slice(0, 2)]) await fails(client, timers, delay);
      });
      await succeeds(client, timers, DELAYS[2]);
      await client.closedBy("close 4000 again");
      await succeeds(client, timers, DELAYS[3]);
    });
  },
  "backoff-set": async (room) => {
    const options = { minReconnectionDelay: 100, reconnectionDelayGrowFactor: 2, maxReconnectionDelay: 350, minUptime: 77 };
    await Timers.byHand(async (timers) => {
      let client;
      await withoutHost(async () => {
        client = new Client({ room, ...options });
        for (const delay of [0, 100, 200, 350, 350]) await fails(client, timers, delay);
      });
      await succeeds(client, timers, 350);
      await timers.pass(77);
      assert.equal(client.socket.retryCount, 0);
    });
  },
  "max-retries": async (room) => {
    await Timers.byHand(async (timers) => {
      let client;
      await withoutHost(async () => {
        client = new Client({ room, maxRetries: 2 });
        for (const delay of [0, 3000, 3900]) await fails(client, timers, delay);
      });
      assert.equal(client.socket.readyState, client.socket.CLOSED);
      assert.deepEqual(timers.asked.filter((ms) => DELAYS.includes(ms)), [3000, 3900], "it tries no more");
      const opened = next(client.socket, "open");
      client.socket.reconnect();
      await opened;
    });
  },
  "connection-timeout": async (room) => {
    await Timers.byHand(async (timers) => {
      let client;
      await pause();
      try {
        client = new Client({ room });
        const failed = next(client.socket, "error");
        const closed = next(client.socket, "close");
        await timers.pass(4000);
        const { code, reason } = await closed;
        assert.deepEqual([code, reason], [1000, "timeout"]);
        assert.equal((await failed).message, "TIMEOUT");
        assert.equal(client.socket.retryCount, 1);
      } finally {
        await resume();
      }
      await succeeds(client, timers, 3000);
      assert.equal(await client.ask("key"), client.socket.id);
    });
  },
  "connection-timeout-set": async (room) => {
    await Timers.byHand(async (timers) => {
      const client = await Client.open({ room, connectionTimeout: 1234 });
      assert.ok(timers.asked.includes(1234) && !timers.has(1234), "asked for, and ended by the opening");
      assert.equal(await client.ask("key"), client.socket.id);
    });
  },
  // Nobody moves this clock: the host must be in time.
  "answered-within-4-s": async (room) => {
    const begun = performance.now();
    const settles = Client.open({ room, query: { wait: "20000" }, maxRetries: 0 });
    const starts = Client.open({ room: `start-slowly-${room}`, maxRetries: 0 });
    const [client] = await Promise.all([settles, starts]);
    const took = performance.now() - begun;
    assert.ok(took < 4000, `PartySocket would have given up before ${took} ms`);
    assert.equal(await client.answer(), "before");
    assert.equal(client.socket.retryCount, 0);
  },
};
