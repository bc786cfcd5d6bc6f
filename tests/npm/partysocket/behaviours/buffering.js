// What is sent while there is nobody to send it to.

import assert from "node:assert/strict";

import { kill, start } from "../../support/host.js";
import { Client, warnings } from "../../support/probe.js";
import { Timers } from "../../support/timers.js";
import { Inbox, next } from "../../support/wait.js";

export const rows = {
  "kept-until-it-is-open": async (room) => {
    const client = new Client({ room });
    client.socket.addEventListener("open", () => client.socket.send("echo fourth"));
    for (const what of ["first", "second", "third"]) {
      assert.equal(client.socket.send(`echo ${what}`), false);
    }
    await next(client.socket, "open");
    assert.deepEqual(await client.inbox.takeAll(4), ["first", "second", "third", "fourth"], "sent before `open` is told");
    assert.equal(client.socket.send("echo fifth"), true);
    assert.equal(await client.inbox.take(), "fifth");
  },
  "kept-while-it-is-lost": async (room) => {
    await Timers.byHand(async (timers) => {
      const client = await Client.open({ room });
      assert.equal(await client.ask("echo before"), "before");
      const lost = next(client.socket, "close");
      await kill();
      await lost;
      for (const number of [1, 2, 3]) assert.equal(client.socket.send(`echo ${number}`), false);
      await start();
      await timers.pass(3000);
      assert.deepEqual(await client.inbox.takeAll(3), ["1", "2", "3"], "once, and in order");
      assert.equal(await client.ask("said"), "4");
    });
  },
  "kept-without-bound": async (room) => {
    const client = new Client({ room });
    for (let number = 1; number <= 10_000; number += 1) client.socket.send(`echo ${number}`);
    const numbers = Array.from({ length: 10_000 }, (_, index) => `${index + 1}`);
    assert.deepEqual(await client.inbox.takeAll(10_000), numbers);
  },
  "kept-within-a-bound": async (room) => {
    const client = new Client({ room, maxEnqueuedMessages: 2 });
    for (const number of [1, 2, 3, 4]) assert.equal(client.socket.send(`echo ${number}`), false);
    assert.deepEqual(await client.inbox.takeAll(2), ["1", "2"]);
    assert.equal(await client.ask("said"), "3", "what is more is dropped");
  },
  "kept-as-bytes": async (room) => {
    const client = new Client({ room });
    client.socket.binaryType = "arraybuffer";
    const bytes = Uint8Array.from({ length: 300 }, (_, index) => index % 251);
    client.socket.send(bytes);
    client.socket.send(bytes.buffer.slice(1));
    client.socket.send(new Blob(["blob"]));
    client.socket.send(bytes.subarray(10, 20));
    const came = (await client.inbox.takeAll(4)).map((data) => new Uint8Array(data));
    assert.deepEqual(came, [bytes, bytes.slice(1), new TextEncoder().encode("blob"), bytes.slice(10, 20)]);
  },
  "drained": async (room) => {
    const client = new Client({ room });
    for (const number of [1, 2]) client.socket.send(`echo ${number}`);
    assert.deepEqual(client.socket.drainQueuedMessages(), ["echo 1", "echo 2"]);
    assert.deepEqual(client.socket.drainQueuedMessages(), []);
    await next(client.socket, "open");
    assert.equal(await client.ask("said"), "1", "what was taken out is not sent");
  },
  "buffered-amount": async (room) => {
    const client = new Client({ room });
    assert.equal(client.socket.bufferedAmount, 0);
    client.socket.send("ignore");
    client.socket.send(new Uint8Array(10));
    client.socket.send(new Blob(["1234"]));
    assert.equal(client.socket.bufferedAmount, 20);
    await client.inbox.takeAll(2);
    assert.equal(client.socket.bufferedAmount, 0);
  },
  "sent-after-close": async (room) => {
    const client = await Client.open({ room });
    client.socket.close();
    const said = await warnings(() => {
      assert.equal(client.socket.send("echo late"), false);
      assert.equal(client.socket.send("echo later"), false);
    });
    assert.equal(said.length, 1);
    assert.match(said[0], /send\(\) was called after close\(\)/);
    client.inbox = new Inbox(client.socket);
    client.socket.reconnect();
    assert.deepEqual(await client.inbox.takeAll(2), ["late", "later"]);
  },
};
