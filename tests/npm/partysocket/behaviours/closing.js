// Who closes, with what, and whether PartySocket comes back.

import assert from "node:assert/strict";

import { kill, start, stop } from "../../support/host.js";
import { Client } from "../../support/probe.js";
import { connect } from "../../support/sockets.js";
import { Timers } from "../../support/timers.js";
import { next } from "../../support/wait.js";

/** A row: PartySocket is told this code and reason when the room is told this word, and comes back. */
const closedWith = (code, reason, word = `close ${code} ${reason}`) => async (room) => {
  await Timers.byHand(async (timers) => {
    const client = await Client.open({ room });
    const again = next(client.socket, "open");
    assert.deepEqual(await client.closedBy(word), [code, reason]);
    await timers.pass(3000);
    await again;
    assert.equal(await client.ask("key"), client.socket.id, "the same client is back");
  });
};

/** A row: PartySocket is refused with this status, is told so, and tries again. */
const refusedWith = (status) => async (room) => {
  let asked = 0;
  await Timers.byHand(async (timers) => {
    const client = new Client({ room, query: () => ((asked += 1) === 1 ? { reject: status } : {}) });
    const again = next(client.socket, "open");
    const { message } = await next(client.socket, "error");
    assert.match(message, new RegExp(`${status}`));
    await timers.pass(3000);
    await again;
    assert.equal(await client.ask("key"), client.socket.id);
  });
};

export const rows = {
  "comes-back-after-1000": closedWith(1000, "done"),
  "comes-back-after-1001": async (room) => {
    await Timers.byHand(async (timers) => {
      const client = await Client.open({ room });
      const lost = next(client.socket, "close");
      const again = next(client.socket, "open");
      const [{ code }] = await Promise.all([lost, stop()]);
      assert.equal(code, 1001, "the host says that it goes away");
      await start();
      await timers.pass(3000);
      await again;
    });
  },
  "comes-back-after-1006": async (room) => {
    await Timers.byHand(async (timers) => {
      const client = await Client.open({ room });
      const lost = next(client.socket, "close");
      const again = next(client.socket, "open");
      await kill();
      assert.equal((await lost).code, 1006);
      await start();
      await timers.pass(3000);
      await again;
    });
  },
  "comes-back-after-1008": closedWith(1008, "not like this"),
  "comes-back-after-1009": closedWith(1009, "Message is too large: 1048577 > 1048576", "x".repeat(1_048_577)),
  "comes-back-after-1011": closedWith(1011, "went wrong"),
  "comes-back-after-1012": closedWith(1012, "restart"),
  "comes-back-after-1013": closedWith(1013, "try later"),
  "comes-back-after-3000": closedWith(3000, "signed out"),
  "comes-back-after-4000": closedWith(4000, "custom"),
  "comes-back-after-4999": closedWith(4999, "é".repeat(61)),
  "comes-back-after-401": refusedWith(401),
  "comes-back-after-403": refusedWith(403),
  "comes-back-after-404": refusedWith(404),
  "comes-back-after-503": refusedWith(503),
  "stays-through-a-trap": async (room) => {
    const client = await Client.open({ room, maxRetries: 0 });
    assert.equal(await client.ask("echo hello"), "hello");
    client.socket.send("trap");
    assert.equal(await client.ask("said"), "1", "the room has started afresh, and the client is still there");
    assert.equal(await client.ask("key"), client.socket.id);
  },
  "stays-away-where-it-is-told-to": async (room) => {
    await Timers.byHand(async (timers) => {
      const client = await Client.open({ room, shouldReconnectOnClose: ({ code }) => code !== 4401 });
      let again = next(client.socket, "open");
      assert.deepEqual(await client.closedBy("close 4400 go on"), [4400, "go on"]);
      await timers.pass(3000);
      await again;
      assert.deepEqual(await client.closedBy("close 4401 signed out"), [4401, "signed out"]);
      assert.equal(client.socket.shouldReconnect, false);
      assert.ok(!timers.has(3000) && !timers.has(3900), "it waits for nothing");
      again = next(client.socket, "open");
      client.socket.reconnect();
      await again;
    });
  },
  "stays-away-when-it-closes": async (room) => {
    await Timers.byHand(async (timers) => {
      const client = await Client.open({ room });
      client.socket.close();
      assert.equal(client.socket.shouldReconnect, false);
      assert.ok(!timers.has(3000) && !timers.has(5000), "it waits for nothing");
    });
  },
  "close-is-told-at-once": async (room) => {
    const { socket } = await Client.open({ room });
    const told = [];
    socket.addEventListener("close", ({ code, reason, wasClean }) => told.push([code, reason, wasClean]));
    socket.close(4321, "good night");
    assert.deepEqual(told, [[4321, "good night", true]]);
    assert.equal(socket.readyState, socket.CLOSED);
    socket.close();
    assert.equal(told.length, 1, "and once");
  },
  "close-is-heard": async (room) => {
    const stays = await Client.open({ room });
    for (const [args, heard] of [[[4321, "good night"], "4321 good night clean"], [[], "1000  clean"], [[1000, "bye"], "1000 bye clean"]]) {
      const { socket } = await Client.open({ room });
      socket.close(...args);
      assert.equal(await stays.left(), heard);
    }
  },
  "close-before-it-is-open": async (room) => {
    const { socket } = new Client({ room });
    const told = [];
    for (const type of ["open", "close", "error"]) socket.addEventListener(type, () => told.push(type));
    socket.close();
    assert.equal(socket.readyState, socket.CLOSED);
    const client = await Client.open({ room });
    assert.equal(await client.ask("who").then((who) => who.split(" ").length), 1, "it has never come");
    assert.deepEqual(told, []);
  },
  "close-is-always-clean": async (room) => {
    const client = await Client.open({ room, maxRetries: 0 });
    const lost = next(client.socket, "close");
    await kill();
    const { code, wasClean } = await lost;
    await start();
    assert.deepEqual([code, wasClean], [1006, true]);
  },
  "reconnect-says-why": async (room) => {
    const stays = await Client.open({ room });
    const { socket } = await Client.open({ room });
    const closed = next(socket, "close");
    const again = next(socket, "open");
    socket.reconnect(4002, "moving");
    const { code, reason } = await closed;
    assert.deepEqual([code, reason], [4002, "moving"]);
    assert.equal(await stays.left(), "4002 moving clean");
    await again;
    assert.equal(socket.retryCount, 0);
  },
  "ready-states": async (room) => {
    const socket = connect({ room });
    const { CONNECTING, OPEN, CLOSING, CLOSED } = socket;
    assert.deepEqual([CONNECTING, OPEN, CLOSING, CLOSED], [0, 1, 2, 3]);
    assert.equal(socket.readyState, CONNECTING);
    await next(socket, "open");
    assert.equal(socket.readyState, OPEN);
    socket.close();
    assert.equal(socket.readyState, CLOSED);
  },
};
