// The page of examples/workflow in two tabs, with days of three seconds: orders, a payment, reminders, the end of the host.

import { kill, start } from "../support/host.js";
import { test } from "../support/browser.js";

await test(async (open) => {
  const ada = await open("/?room=page");
  const ben = await open("/?room=page");
  for (const tab of [ada, ben]) await tab.reads("status", "connected");

  // An order of one is seen by both, and paid by the other.
  await ada.type("wish", "a <b>blue</b> bicycle");
  await ada.press("wish", "Enter");
  for (const tab of [ada, ben]) await tab.reads("wish-1", "1 a <b>blue</b> bicycle");
  await ben.click("pay-1");
  for (const tab of [ada, ben]) await tab.lists("story-1", ["placed", "paid", "sent"]);

  // One that nobody pays: the host is killed and started again in the middle of its three days.
  await ben.type("wish", "nothing");
  await ben.click("place");
  const reminded = ["placed", "reminder 1: 2 days left to pay"];
  await ada.lists("story-2", reminded);
  await kill();
  for (const tab of [ada, ben]) await tab.reads("status", "connecting");
  await start();
  const cancelled = [...reminded, "reminder 2: 1 day left to pay", "cancelled after 3 days without a payment"];
  for (const tab of [ada, ben]) {
    await tab.reads("status", "connected");
    await tab.lists("story-2", cancelled);
    await tab.lists("story-1", ["placed", "paid", "sent"]);
  }

  // Who comes later is shown all of it, the newest first.
  const cleo = await open("/?room=page");
  await cleo.lists("story-2", cancelled);
  await cleo.lists("story-1", ["placed", "paid", "sent"]);
});
