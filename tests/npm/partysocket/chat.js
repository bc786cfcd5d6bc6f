// examples/chat with the unmodified PartySocket: history, names, who is in, "is typing", messages sent before open.

import assert from "node:assert/strict";

import { connect, test } from "../support/sockets.js";
import { Inbox, next } from "../support/wait.js";

const room = "kitchen";
const say = (text) => JSON.stringify({ say: text });
const people = (names) => (message) => JSON.stringify(message.people) === JSON.stringify(names);
const typing = (names) => (message) => JSON.stringify(message.typing) === JSON.stringify(names);

await test(async () => {
  // What is sent before the socket is open waits, and arrives in order when it opens.
  const ada = connect({ room });
  const seenByAda = new Inbox(ada, JSON.parse);
  assert.equal(ada.send(JSON.stringify({ name: "Ada" })), false, "before open a message is kept");
  for (let line = 1; line <= 20; line += 1) assert.equal(ada.send(say(`line ${line}`)), false);
  assert.equal(ada.readyState, ada.CONNECTING);
  const lines = Array.from({ length: 20 }, (_, index) => `line ${index + 1}`);
  for (const line of lines) {
    const { said } = await seenByAda.takeUntil((message) => message.said);
    assert.deepEqual([said.name, said.text], ["Ada", line]);
  }

  // Who comes later is shown what was said, and everyone is shown who is in.
  const ben = connect({ room });
  const seenByBen = new Inbox(ben, JSON.parse);
  const { history } = await seenByBen.take();
  assert.deepEqual(history.map((said) => said.text), lines);
  ben.send(JSON.stringify({ name: "Ben" }));
  await seenByBen.takeUntil(people(["Ada", "Ben"]));
  await seenByAda.takeUntil(people(["Ada", "Ben"]));

  // "Is typing" is shown and ends by itself.
  ben.send(JSON.stringify("typing"));
  await seenByAda.takeUntil(typing(["Ben"]));
  await seenByAda.takeUntil(typing([]));

  // What is no message of the chat is answered with a close that says so; nobody else is disturbed.
  const odd = connect({ room, shouldReconnectOnClose: () => false });
  await next(odd, "open");
  await seenByAda.takeUntil((message) => message.people?.length === 3);
  const closed = next(odd, "close");
  odd.send("what?");
  assert.deepEqual(await closed.then(({ code, reason }) => [code, reason]), [1003, "this is no message of the chat"]);
  await seenByAda.takeUntil(people(["Ada", "Ben"]));

  // Who leaves is no longer shown.
  ben.close();
  await seenByAda.takeUntil(people(["Ada"]));
});
