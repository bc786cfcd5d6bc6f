// examples/counter with the unmodified PartySocket: open, messages in order, one number for WebSocket and HTTP.

import assert from "node:assert/strict";

import { connect, request, test } from "../support/sockets.js";
import { Inbox, next } from "../support/wait.js";

await test(async () => {
  const first = connect({ room: "shared" });
  const seenByFirst = new Inbox(first);
  await next(first, "open");
  assert.equal(first.readyState, first.OPEN);
  assert.equal(await seenByFirst.take(), "0", "who comes is shown the number");

  const second = connect({ room: "shared" });
  const seenBySecond = new Inbox(second);
  assert.equal(await seenBySecond.take(), "0");

  assert.equal(first.send("+"), true, "an open socket sends at once");
  assert.equal(await seenByFirst.take(), "1", "who adds is shown the number");
  assert.equal(await seenBySecond.take(), "1", "and so is everyone else");

  // HTTP and WebSocket share the number.
  const posted = await request({ room: "shared" }, { method: "POST" });
  assert.equal(posted.status, 200);
  assert.equal(await posted.text(), "2");
  assert.deepEqual([await seenByFirst.take(), await seenBySecond.take()], ["2", "2"]);
  const refused = await request({ room: "shared" }, { method: "DELETE" });
  assert.equal(refused.status, 405);
  assert.equal(refused.headers.get("allow"), "GET, POST");

  // Many from both sides: nothing is lost or doubled, and everyone sees the same order.
  const each = 250;
  for (let sent = 0; sent < each; sent += 1) {
    first.send("+");
    second.send("+");
  }
  const expected = Array.from({ length: 2 * each }, (_, index) => String(3 + index));
  assert.deepEqual(await seenByFirst.takeAll(2 * each), expected);
  assert.deepEqual(await seenBySecond.takeAll(2 * each), expected);

  // Another room has a number of its own; a room that does not exist yet begins at 0.
  assert.equal(await (await request({ room: "other" })).text(), "0");
  assert.equal(await (await request({ room: "shared" })).text(), String(2 + 2 * each));

  const unknown = await request({ party: "nope", room: "shared" });
  assert.equal(unknown.status, 404);
  assert.equal(await unknown.text(), "Party nope not found");
});
