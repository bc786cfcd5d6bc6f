// The page of examples/chat in two tabs: messages in order, who is in, "is typing", the end of the host.

import { kill, start } from "../support/host.js";
import { test } from "../support/browser.js";

await test(async (open) => {
  const ada = await open("/?room=kitchen");
  await ada.reads("status", "connected");
  await ada.fill("name", "Ada");
  await ada.lists("people", ["Ada"]);
  const ben = await open("/?room=kitchen");
  await ben.fill("name", "Ben");
  for (const tab of [ada, ben]) await tab.lists("people", ["Ada", "Ben"]);

  // "Is typing" is seen by the other, and ends by itself.
  await ben.type("message", "hel");
  await ada.reads("typing", "Ben is typing…");
  await ben.reads("typing", "");
  await ada.reads("typing", "");

  // What is said stands in both tabs, in the same order; markup is text.
  await ben.type("message", "lo, Ada");
  await ben.press("message", "Enter");
  await ada.lists("messages", ["Ben: hello, Ada"]);
  const said = ["Ben: hello, Ada"];
  for (const [tab, name, text] of [
    [ada, "Ada", "<b>hi</b> Ben"],
    [ben, "Ben", "how are you?"],
    [ada, "Ada", "fine ✓"],
  ]) {
    await tab.type("message", text);
    await tab.click("send");
    said.push(`${name}: ${text}`);
    for (const reader of [ada, ben]) await reader.lists("messages", said);
  }

  // The host is killed and comes back: so do the tabs, with their names and what was said.
  await kill();
  for (const tab of [ada, ben]) await tab.reads("status", "connecting");
  await start();
  for (const tab of [ada, ben]) {
    await tab.reads("status", "connected");
    await tab.lists("messages", said);
    await tab.holds("people", ["Ada", "Ben"]);
  }
  await ada.type("message", "still here");
  await ada.press("message", "Enter");
  said.push("Ada: still here");
  for (const tab of [ada, ben]) await tab.lists("messages", said);

  // Who comes later sees what was said; who closes the tab leaves the list.
  const cleo = await open("/?room=kitchen");
  await cleo.lists("messages", said);
  await cleo.close();
  await ben.close();
  await ada.lists("people", ["Ada"]);
});
