// What PartySocket tells its program.

import assert from "node:assert/strict";

import { Client } from "../../support/probe.js";
import { connect } from "../../support/sockets.js";
import { next } from "../../support/wait.js";

export const rows = {
  "event-open": async (room) => {
    const { socket } = new Client({ room });
    const opened = await next(socket, "open");
    assert.ok(opened instanceof Event);
    assert.equal(opened.type, "open");
    assert.equal(opened.target, socket);
  },
  "event-message": async (room) => {
    const { socket } = await Client.open({ room });
    const message = next(socket, "message");
    socket.send("echo déjà vu ✓");
    const { constructor, data } = await message;
    assert.equal(constructor, MessageEvent);
    assert.equal(data, "déjà vu ✓");
  },
  "event-long-message": async (room) => {
    const client = await Client.open({ room });
    const long = "x".repeat(1_000_000);
    assert.equal(await client.ask(`echo ${long}`), long);
  },
  "event-close": async (room) => {
    const { socket } = await Client.open({ room, maxRetries: 0 });
    const closed = next(socket, "close");
    socket.send("close 4000 custom");
    const { type, code, reason, wasClean } = await closed;
    assert.deepEqual([type, code, reason, wasClean], ["close", 4000, "custom", true]);
  },
  "event-error": async (room) => {
    const socket = connect({ room, query: { reject: "403" }, maxRetries: 0 });
    const failed = await next(socket, "error");
    assert.match(failed.message, /403/);
    assert.ok(failed.error instanceof Error);
    assert.equal(failed.error.message, failed.message);
  },
  "event-handlers": async (room) => {
    const socket = connect({ room, maxRetries: 0 });
    const told = [];
    socket.onopen = ({ type }) => told.push(type);
    socket.onmessage = ({ type, data }) => told.push(`${type} ${data}`);
    socket.onclose = ({ type, code }) => told.push(`${type} ${code}`);
    await next(socket, "open");
    const answered = next(socket, "message");
    socket.send("echo hello");
    await answered;
    const closed = next(socket, "close");
    socket.send("close 4000");
    await closed;
    assert.deepEqual(told, ["open", "message hello", "close 4000"]);
    const refused = connect({ room, query: { reject: "401" }, maxRetries: 0 });
    refused.onerror = ({ type, message }) => told.push(`${type} ${message.match(/\d+/)}`);
    await next(refused, "error");
    assert.equal(told.at(-1), "error 401");
  },
  "event-clones": async (room) => {
    const { socket } = await Client.open({ room });
    let first;
    socket.onmessage = (event) => (first = event);
    const message = next(socket, "message");
    socket.send("echo hello");
    const second = await message;
    assert.notEqual(first, second);
    assert.equal(first.data, second.data);
  },
  "event-listeners": async (room) => {
    const client = await Client.open({ room });
    const told = [];
    const listener = ({ data }) => told.push(`listener ${data}`);
    const object = { handleEvent: ({ data }) => told.push(`object ${data}`) };
    client.socket.addEventListener("message", listener);
    client.socket.addEventListener("message", object);
    client.socket.addEventListener("message", ({ data }) => told.push(`once ${data}`), { once: true });
    await client.ask("echo 1");
    client.socket.removeEventListener("message", listener);
    await client.ask("echo 2");
    assert.deepEqual(told, ["listener 1", "object 1", "once 1", "object 2"]);
  },
  "debug-log": async (room) => {
    const lines = [];
    const client = await Client.open({ room, debug: true, debugLogger: (...words) => lines.push(words.slice(0, 2).join(" ")) });
    await client.ask("echo 1");
    for (const line of ["RWS> connect", "RWS> open event", "RWS> send", "RWS> message event"]) assert.ok(lines.includes(line), line);
  },
};
