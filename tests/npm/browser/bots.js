// The page of examples/bots in two tabs: an answer that grows, a question in the midst of it, the end of the host in the midst.

import { kill, start } from "../support/host.js";
import { test } from "../support/browser.js";

const PARROT = "bot: I am a parrot, and say: ";
const long = "one two three four five six seven eight nine ten ".repeat(10).trim();
/** How the last line stands, if there is one yet: its class, and whether it has begun. */
const lastLine = (list) =>
  `${list.lastElementChild?.className}, ${list.lastElementChild?.textContent.length > 20 ? "begun" : "not begun"}`;
const lastNote = (list) => list.lastElementChild?.querySelector("em")?.textContent;
const lastClass = (list) => list.lastElementChild?.className;

await test(async (open) => {
  const ada = await open("/");
  const ben = await open("/");
  await ada.reads("status", "connected");
  await ben.reads("status", "connected");
  await ada.fill("name", "Ada");
  await ben.fill("name", "Ben");

  // Both see the answer grow, and stand still when it has ended.
  await ada.fill("text", "@bot hello world");
  await ada.press("text", "Enter");
  await ben.shows("lines", lastLine, "bot growing, begun");
  for (const tab of [ada, ben]) {
    await tab.shows("lines", lastClass, "bot");
    await tab.lists("lines", ["Ada: @bot hello world", `${PARROT}hello world `]);
  }

  // Who asks in the midst of an answer is told to wait, and keeps the question.
  await ada.fill("text", `@bot ${long}`);
  await ada.press("text", "Enter");
  await ben.shows("lines", lastLine, "bot growing, begun");
  await ben.fill("text", "@bot me too");
  await ben.press("text", "Enter");
  await ben.reads("sorry", "the bot is still answering; ask again when it has ended");
  await ben.shows("text", (input) => input.value, "@bot me too");

  // The host is killed in the midst: the chat says what became of the answer, and the bot answers again.
  await kill();
  await ben.reads("status", "connecting");
  await start();
  for (const tab of [ada, ben]) {
    await tab.reads("status", "connected");
    await tab.shows("lines", lastNote, " (the bot was interrupted)");
  }
  await ben.press("text", "Enter");
  await ada.shows("lines", (list) => list.lastElementChild?.textContent, `${PARROT}me too `);
});
