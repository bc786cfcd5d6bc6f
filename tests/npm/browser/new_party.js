// The page of a party as `party-host new` writes it, in two tabs, while its code is changed.

import { change } from "../support/host.js";
import { test } from "../support/browser.js";

/** Longer than a page needs to show that it has lost its room, shorter than it takes to come back. */
const STAYS_MS = 800;

await test(async (open) => {
  const tabs = [await open("/"), await open("/")];
  for (const tab of tabs) {
    await tab.reads("status", "connected");
    await tab.reads("cheers", "0");
  }
  await tabs[0].click("cheer");
  for (const tab of tabs) await tab.reads("cheers", "1");

  // The code is changed so that a cheer counts ten. The pages stay connected, and go on with the new code.
  await change();
  const left = tabs.map((tab) => tab.reads("status", "connecting", STAYS_MS).then(() => true, () => false));
  if ((await Promise.all(left)).includes(true)) throw new Error("a page has lost its room");
  await tabs[1].click("cheer");
  for (const tab of tabs) await tab.reads("cheers", "11");
});
