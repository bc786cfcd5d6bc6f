// What PartySocket can ask for and be told, against the probe (tests/guests): keys, queries, paths, subprotocols,
// binary messages, close codes, another room.

import assert from "node:assert/strict";

import { connect, request, test } from "../support/sockets.js";
import { Inbox, next } from "../support/wait.js";

/** Sends a word to the probe; gives its answer. The probe also tells everyone in the room who has left it. */
async function answer(socket, inbox, word) {
  socket.send(word);
  return inbox.takeUntil((message) => !/^\d+ closed /.test(message));
}

async function keysAndQueries() {
  let asked = 0;
  const query = async () => ({ visit: String((asked += 1)), tag: "seat 7&8", left: null });
  const socket = connect({ room: "keys", query });
  const seen = new Inbox(socket);
  await next(socket, "open");
  assert.equal(await answer(socket, seen, "key"), socket.id, "the room is told the client's key");
  let url = new URL(socket.url);
  assert.equal(url.pathname, "/parties/main/keys");
  assert.deepEqual([...url.searchParams], [["_pk", socket.id], ["visit", "1"], ["tag", "seat 7&8"]]);

  const { id } = socket;
  const again = next(socket, "open");
  socket.reconnect();
  await again;
  assert.equal(await answer(socket, seen, "key"), id, "the key is the same after a reconnection");
  url = new URL(socket.url);
  assert.equal(url.searchParams.get("visit"), "2", "the query is made anew");

  const named = connect({ room: "keys", id: "ada@example.org", path: "below/the room", query: { tag: "blue" } });
  const seenByNamed = new Inbox(named);
  await next(named, "open");
  assert.equal(await answer(named, seenByNamed, "key"), "ada@example.org");
  assert.equal(await answer(named, seenByNamed, "tagged blue only this one"), "only this one");

  const response = await request({ room: "keys", path: "request", query: { a: "1", b: "x y" } });
  assert.match(await response.text(), /^GET .*\/parties\/main\/keys\/request\?a=1&b=x\+y$/);
  const body = new Uint8Array(100_000).map((_, index) => index);
  const echoed = await request({ room: "keys", path: "body" }, { method: "PUT", body });
  assert.deepEqual(new Uint8Array(await echoed.arrayBuffer()), body);
}

async function messages() {
  const socket = connect({ room: "messages", protocols: ["first", "second"] });
  socket.binaryType = "arraybuffer";
  const seen = new Inbox(socket);
  await next(socket, "open");
  assert.equal(socket.protocol, "first", "the first subprotocol that is offered is taken");
  const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 251);
  socket.send(bytes);
  assert.deepEqual(new Uint8Array(await seen.take()), bytes);
  assert.equal(await answer(socket, seen, "echo déjà vu ✓"), "déjà vu ✓");
  const long = "x".repeat(1_000_000);
  assert.equal(await answer(socket, seen, `echo ${long}`), long);
}

async function closes() {
  const closedWith = async (socket, word) => {
    const closed = next(socket, "close");
    socket.send(word);
    const { code, reason } = await closed;
    return [code, reason];
  };
  const socket = connect({ room: "closes" });
  await next(socket, "open");
  const back = next(socket, "open");
  assert.deepEqual(await closedWith(socket, "close 4001 enough"), [4001, "enough"]);
  await back;
  const tooLarge = [1009, "Message is too large: 1048577 > 1048576"];
  assert.deepEqual(await closedWith(socket, "x".repeat(1_048_577)), tooLarge);

  // A client that is not to come back stays away.
  const once = connect({ room: "closes", shouldReconnectOnClose: ({ code }) => code !== 4401 });
  await next(once, "open");
  assert.deepEqual(await closedWith(once, "close 4401 signed out"), [4401, "signed out"]);
  assert.equal(once.shouldReconnect, false);

  // A client's own close is told to the room.
  const stays = connect({ room: "leaving" });
  const seen = new Inbox(stays);
  await next(stays, "open");
  const leaves = connect({ room: "leaving" });
  await next(leaves, "open");
  leaves.close(4321, "good night");
  assert.match(await seen.take(), /^\d+ closed 4321 good night clean$/);

  const refused = connect({ room: "closes", query: { reject: "403" }, maxRetries: 0 });
  const { message } = await next(refused, "error");
  assert.match(message, /403/);
}

async function anotherRoom() {
  const socket = connect({ room: "north" });
  const seen = new Inbox(socket);
  await next(socket, "open");
  assert.equal(await answer(socket, seen, "id"), "north");
  socket.updateProperties({ room: "south" });
  const again = next(socket, "open");
  socket.reconnect();
  await again;
  assert.equal(await answer(socket, seen, "id"), "south");
}

await test(async () => {
  await keysAndQueries();
  await messages();
  await closes();
  await anotherRoom();
});
