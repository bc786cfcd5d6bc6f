// The page of examples/tictactoe: two tabs play and a third watches; a tab that is loaded again, and a host that is killed,
// take nobody's seat away; a game is won, and the next one begun.

import { kill, start } from "../support/host.js";
import { request } from "../support/sockets.js";
import { test } from "../support/browser.js";

const board = (element) => Array.from(element.children, (field) => field.textContent || "-").join("");
const won = (element) => Array.from(element.querySelectorAll(".won"), (field) => field.id).join();
const label = (element) => element.ariaLabel;

await test(async (open) => {
  const xenia = await open("/?room=page");
  await xenia.reads("status", "connected");
  await xenia.reads("turn", "Waiting for a player");
  await xenia.click("sit");
  await xenia.reads("sit", "Stand up");
  const otto = await open("/?room=page");
  await otto.reads("turn", "Waiting for a player");
  await otto.click("sit");
  await xenia.reads("turn", "Your turn");
  await otto.reads("turn", "The turn of X");

  // A third one watches: there is no seat to sit on, and a field that is pressed says so.
  const wanda = await open("/?room=page");
  await wanda.reads("turn", "The turn of X");
  await wanda.click("field-0");
  await wanda.reads("sorry", "you watch; sit down to play");

  await xenia.click("field-4");
  for (const tab of [xenia, otto, wanda]) await tab.shows("board", board, "----X----");
  await otto.shows("field-4", label, "row 2, column 2: X");
  await xenia.click("field-0");
  await xenia.reads("sorry", "it is the turn of O");
  await otto.click("field-4");
  await otto.reads("sorry", "field 4 has an X already");

  // The page is loaded again: it sits where it sat, and it is its turn.
  await otto.reload();
  await otto.reads("turn", "Your turn");
  await otto.click("field-0");
  await xenia.shows("board", board, "O---X----");
  await wanda.shows("board", board, "O---X----");

  // The host is killed in the middle of the game.
  await kill();
  for (const tab of [xenia, otto, wanda]) await tab.reads("status", "connecting");
  await start();
  for (const tab of [xenia, otto, wanda]) {
    await tab.reads("status", "connected");
    await tab.shows("board", board, "O---X----");
  }
  await xenia.reads("turn", "Your turn");
  await otto.reads("turn", "The turn of X");
  await xenia.click("field-2");
  await otto.reads("turn", "Your turn");
  await otto.click("field-1");
  await xenia.reads("turn", "Your turn");
  await xenia.click("field-6");
  await xenia.reads("turn", "You have won");
  for (const tab of [otto, wanda]) await tab.reads("turn", "X has won");
  for (const tab of [xenia, otto, wanda]) await tab.shows("board", won, "field-2,field-4,field-6");
  const { end } = await (await request({ room: "page" })).json();
  if (JSON.stringify(end) !== '{"won":{"by":"X","line":[2,4,6]}}') throw new Error(JSON.stringify(end));

  // The next game begins with the other; who stands up is replaced by who has watched.
  await xenia.click("again");
  for (const tab of [xenia, otto, wanda]) await tab.shows("board", board, "---------");
  await otto.reads("turn", "Your turn");
  await xenia.click("sit");
  await otto.reads("turn", "Waiting for a player");
  await wanda.click("sit");
  await otto.reads("turn", "Your turn");
  await otto.click("field-8");
  await wanda.reads("turn", "Your turn");
});
