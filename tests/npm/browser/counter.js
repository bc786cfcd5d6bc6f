// The page of examples/counter in two tabs: one number, kept over the end of the host.

import { kill, start } from "../support/host.js";
import { request } from "../support/sockets.js";
import { test } from "../support/browser.js";

await test(async (open) => {
  const first = await open("/?room=page");
  const second = await open("/?room=page");
  for (const tab of [first, second]) {
    await tab.reads("status", "connected");
    await tab.reads("count", "0");
  }
  for (let click = 0; click < 3; click += 1) await first.click("increment");
  await second.click("decrement");
  for (const tab of [first, second]) await tab.reads("count", "2");

  // A number that changes over HTTP changes on the pages.
  await request({ room: "page" }, { method: "POST" });
  for (const tab of [first, second]) await tab.reads("count", "3");

  // A tab in another room has another number.
  const elsewhere = await open("/#elsewhere");
  await elsewhere.reads("count", "0");
  await elsewhere.reads("room", "elsewhere");

  await kill();
  for (const tab of [first, second]) await tab.reads("status", "connecting");
  await start();
  for (const tab of [first, second]) {
    await tab.reads("status", "connected");
    await tab.reads("count", "3");
  }
  await second.click("increment");
  for (const tab of [first, second]) await tab.reads("count", "4");
});
