// The page of examples/lookup in two tabs: asking, granting with the key, watching with a grant and without, the end of the host.

import { kill, start } from "../support/host.js";
import { test } from "../support/browser.js";

const yesOrNo = (element) => element.textContent.split(",")[0];

await test(async (open) => {
  const ada = await open("/");
  await ada.reads("room", "acme");
  await ada.click("asking");
  await ada.shows("answer", yesOrNo, "No");

  // Nothing is granted without the key.
  await ada.fill("grant", "ada/read/report-7");
  await ada.fill("key", "guess");
  await ada.click("give");
  await ada.reads("sorry", "this needs the key: authorization: Bearer KEY");
  await ada.fill("key", "open sesame");
  await ada.click("give");
  await ada.reads("sorry", "ada/read/report-7 is granted");
  await ada.click("asking");
  await ada.shows("answer", yesOrNo, "Yes");

  // Who is not granted to watch is not let in; who is sees what changes.
  const ben = await open("/");
  await ben.fill("watcher", "ben");
  await ben.click("begin");
  await ben.reads("watching", "ben is not let in; watch/grants must be granted");
  await ada.fill("grant", "ben/watch/*");
  await ada.click("give");
  await ben.reads("status", "watching as ben");
  await ben.lists("grants", ["ada/read/report-7×", "ben/watch/*×"]);
  await ada.fill("grant", "cleo/*/*");
  await ada.click("give");
  await ben.lists("grants", ["ada/read/report-7×", "ben/watch/*×", "cleo/*/*×"]);

  // The host is killed and comes back: who watches is let in again, and sees what is granted.
  await kill();
  await ben.reads("status", "not watching");
  await start();
  await ben.reads("status", "watching as ben");
  await ben.fill("key", "open sesame");
  await ben.click("grants li:first-child button");
  await ben.lists("grants", ["ben/watch/*×", "cleo/*/*×"]);
  await ada.click("asking");
  await ada.shows("answer", yesOrNo, "No");

  // Who takes back their own right is shown the door.
  await ben.click("grants li:first-child button");
  await ben.reads("status", "not watching");
  await ben.reads("watching", "ben is not let in; watch/grants must be granted");
});
