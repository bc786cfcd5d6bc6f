// Messages of bytes.

import assert from "node:assert/strict";

import { Client } from "../../support/probe.js";
import { next } from "../../support/wait.js";

const BYTES = Uint8Array.from({ length: 70_000 }, (_, index) => index % 251);

export const rows = {
  "binary-blob": async (room) => {
    const client = await Client.open({ room });
    assert.equal(client.socket.binaryType, "blob");
    const blob = await client.ask(BYTES);
    assert.ok(blob instanceof Blob);
    assert.deepEqual(new Uint8Array(await blob.arrayBuffer()), BYTES);
  },
  "binary-array-buffer": async (room) => {
    const client = new Client({ room });
    client.socket.binaryType = "arraybuffer";
    const buffer = await client.ask(BYTES);
    assert.ok(buffer instanceof ArrayBuffer);
    assert.deepEqual(new Uint8Array(buffer), BYTES);
  },
  "binary-type-changes": async (room) => {
    const client = await Client.open({ room });
    assert.ok((await client.ask(BYTES)) instanceof Blob);
    client.socket.binaryType = "arraybuffer";
    assert.ok((await client.ask(BYTES)) instanceof ArrayBuffer);
    const again = next(client.socket, "open");
    client.socket.reconnect();
    await again;
    assert.equal(client.socket.binaryType, "arraybuffer");
    assert.ok((await client.ask(BYTES)) instanceof ArrayBuffer, "it is kept over connections");
  },
  "binary-empty": async (room) => {
    const client = await Client.open({ room });
    client.socket.binaryType = "arraybuffer";
    assert.equal((await client.ask(new Uint8Array())).byteLength, 0);
    assert.equal(await client.ask("echo "), "", "and an empty text is a text");
  },
};
