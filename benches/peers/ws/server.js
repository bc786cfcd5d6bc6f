// The yardstick's rooms on npm's `ws`, written as its documentation writes a server: one WebSocketServer without a
// server of its own, the URL parsed once per connection, a broadcast that loops over the room and sends.
//
//   node server.js --port 1999
//
// Parties: echo and hello send each message back to its sender, broadcast sends it to everyone in the room; every
// request without an upgrade is answered 200 "hello". There is no durable counter. Prints a line once it listens.

import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { WebSocket, WebSocketServer } from "ws";

const { values } = parseArgs({ options: { port: { type: "string", default: "1999" } } });
const port = Number(values.port);

/** Rooms ever entered, by "party/room"; like the native server this one never forgets one. */
const rooms = new Map();

/** The room of a URL path, made if it is new, or undefined if the path is none of a room. */
function enter(url) {
  const [, prefix, party, name] = new URL(url, "http://localhost").pathname.split("/");
  if (prefix !== "parties" || !["echo", "broadcast", "hello"].includes(party) || !name) {
    return undefined;
  }
  const address = `${party}/${name}`;
  let room = rooms.get(address);
  if (room === undefined) {
    room = { party, clients: new Set() };
    rooms.set(address, room);
  }
  return room;
}

const server = createServer((request, response) => {
  const found = enter(request.url) !== undefined;
  response.writeHead(found ? 200 : 404, { "content-type": "text/plain" });
  response.end(found ? "hello" : "not found");
});

const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });

server.on("upgrade", (request, socket, head) => {
  const room = enter(request.url);
  if (room === undefined) {
    socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    return;
  }
  sockets.handleUpgrade(request, socket, head, (client) => join(client, room));
});

function join(client, room) {
  room.clients.add(client);
  client.on("close", () => room.clients.delete(client));
  client.on("error", (error) => console.error(`a connection failed: ${error.message}`));
  if (room.party === "broadcast") {
    client.on("message", (data, isBinary) => {
      for (const member of room.clients) {
        if (member.readyState === WebSocket.OPEN) {
          member.send(data, { binary: isBinary });
        }
      }
    });
  } else {
    client.on("message", (data, isBinary) => client.send(data, { binary: isBinary }));
  }
}

server.listen(port, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
