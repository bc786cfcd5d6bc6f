// The page of a party as `party-host new` writes it, in two tabs, while its code is changed.

import { change } from "../support/host.js";
import { test } from "../support/browser.js";

/** As long as a build may take on a slow machine. */
const BUILD_BOUND_MS = 600_000;

await test(async (open) => {
  const tabs = [await open("/"), await open("/")];
  for (const tab of tabs) {
    await tab.reads("status", "connected");
    await tab.reads("cheers", "0");
  }
  await tabs[0].click("cheer");
  for (const tab of tabs) await tab.reads("cheers", "1");

  // The code is changed so that a cheer counts ten. The pages lose their room and come back by themselves.
  const gone = Promise.all(tabs.map((tab) => tab.reads("status", "connecting", BUILD_BOUND_MS)));
  await change();
  await gone;
  for (const tab of tabs) await tab.reads("status", "connected");
  await tabs[1].click("cheer");
  for (const tab of tabs) await tab.reads("cheers", "11");
});
