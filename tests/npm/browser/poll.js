// The page of examples/poll in two tabs of one browser, which has one vote, and voters by HTTP: live results, kept over the end
// of the host.

import assert from "node:assert/strict";

import { kill, start } from "../support/host.js";
import { request } from "../support/sockets.js";
import { test } from "../support/browser.js";

const pressed = (element) => Array.from(element.children, (answer) => answer.ariaPressed).join();

await test(async (open) => {
  const ada = await open("/?room=page");
  await ada.reads("status", "connected");
  const ben = await open("/?room=page");
  await ben.reads("status", "connected");
  await ada.fill("question", "<b>Tea</b>?");
  await ada.fill("options", "yes\n\n  no ");
  await ada.click("ask");
  for (const tab of [ada, ben]) {
    await tab.reads("asked", "<b>Tea</b>?");
    await tab.reads("votes", "0 votes");
  }

  await ben.click("answer-1");
  for (const tab of [ada, ben]) await tab.reads("count-1", "1 · 100 %");
  await ben.shows("answers", pressed, "false,true");
  const voted = await request(
    { room: "page", path: "vote", query: { _pk: "cleo" } },
    { method: "POST", body: '{"option": 0}', headers: { "content-type": "application/json" } },
  );
  assert.equal(voted.status, 200);
  for (const tab of [ada, ben]) await tab.reads("count-0", "1 · 50 %");

  // Both tabs are one browser: its vote moves.
  await ada.click("answer-0");
  for (const tab of [ada, ben]) {
    await tab.reads("count-0", "2 · 100 %");
    await tab.reads("count-1", "0 · 0 %");
  }

  await kill();
  for (const tab of [ada, ben]) await tab.reads("status", "connecting");
  await start();
  for (const tab of [ada, ben]) {
    await tab.reads("status", "connected");
    await tab.reads("count-0", "2 · 100 %");
  }
  await ada.reload();
  await ada.shows("answers", pressed, "true,false");
  const poll = await request({ room: "page" });
  assert.deepEqual(await poll.json(), {
    question: "<b>Tea</b>?",
    options: [
      { text: "yes", votes: 2 },
      { text: "no", votes: 0 },
    ],
    votes: 2,
  });
});
