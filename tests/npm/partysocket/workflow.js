// examples/workflow with the unmodified PartySocket, with days of three seconds: an order that waits is kept over the end of
// the host, and its payment arrives where it waits.

import assert from "node:assert/strict";

import { kill, start } from "../support/host.js";
import { connect, request, test } from "../support/sockets.js";
import { Inbox, next } from "../support/wait.js";

const room = "shop";
const told = ({ story }) => story.map(({ what }) => what);

await test(async () => {
  const socket = connect({ room });
  const seen = new Inbox(socket, JSON.parse);
  assert.deepEqual(await seen.take(), { orders: [] });
  socket.send(JSON.stringify({ order: "a blue bicycle" }));
  const { order } = await seen.take();
  assert.deepEqual([order.number, order.wish, told(order), order.waits], [1, "a blue bicycle", ["placed"], true]);

  const back = next(socket, "close").then(() => next(socket, "open"));
  await kill();
  await start();
  await back;
  const { orders } = await seen.takeUntil((message) => message.orders);
  assert.equal(orders.length, 1);
  assert.equal(told(orders[0])[0], "placed", "the room is where it was");

  const placed = await request({ room }, { method: "POST", body: "another" });
  assert.deepEqual([placed.status, await placed.text()], [201, "order 2 is placed\n"]);
  const paid = await request({ room, path: "2/pay" }, { method: "POST" });
  assert.deepEqual([paid.status, await paid.text()], [200, "order 2 is paid\n"]);
  const ends = (number, what) => (message) => message.order?.number === number && told(message.order).at(-1) === what;
  await seen.takeUntil(ends(2, "sent"));
  const { order: over } = await seen.takeUntil(ends(1, "cancelled after 3 days without a payment"));
  assert.equal(told(over).length, 4);
  socket.send(JSON.stringify({ pay: 1 }));
  const { sorry } = await seen.takeUntil((message) => message.sorry);
  assert.equal(sorry, "order 1 does not wait for its payment");
});
