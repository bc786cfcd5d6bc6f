// PartySocket and the end of the host: SIGKILL, restart, SIGTERM. Sockets come back by themselves, storage is kept.

import assert from "node:assert/strict";

import { kill, start, stop } from "../support/host.js";
import { connect, request, test } from "../support/sockets.js";
import { Inbox, next } from "../support/wait.js";

await test(async () => {
  const room = "lasting";
  const socket = connect({ room });
  const seen = new Inbox(socket);
  await next(socket, "open");
  const { id, url } = socket;
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.equal(new URL(url).searchParams.get("_pk"), id);
  assert.equal(await seen.take(), "0");
  for (const number of ["1", "2", "3"]) {
    socket.send("+");
    assert.equal(await seen.take(), number);
  }

  // SIGKILL: no farewell.
  let lost = next(socket, "close");
  await kill();
  assert.equal((await lost).code, 1006);
  assert.equal(socket.send("+"), false, "what is sent meanwhile is kept");
  assert.equal(socket.send("+"), false);
  const back = next(socket, "open");
  await start();
  await back;
  assert.equal(socket.id, id, "the socket keeps its key");
  assert.equal(socket.url, url);
  assert.deepEqual(await seen.takeAll(3), ["3", "4", "5"], "every number that was seen is kept, what waited counts once");
  assert.equal(await (await request({ room })).text(), "5");

  // SIGTERM: the host says that it goes away.
  lost = next(socket, "close");
  const [{ code }] = await Promise.all([lost, stop()]);
  assert.equal(code, 1001);
  const again = next(socket, "open");
  await start();
  await again;
  assert.equal(socket.id, id);
  assert.equal(await seen.take(), "5");
});
