// PartySocket.fetch: a request to the room that a socket with the same options is in.

import assert from "node:assert/strict";

import { host } from "../../support/host.js";
import { request } from "../../support/sockets.js";

export const rows = {
  "fetch-url": async (room) => {
    const response = await request({ room, party: "other", path: "request", query: { a: "1", b: "x y", none: null } });
    assert.equal(response.status, 200);
    assert.equal(await response.text(), `GET http://${host}/parties/other/${room}/request?a=1&b=x+y`, "without an id");
  },
  "fetch-query-function": async (room) => {
    const response = await request({ room, path: "request", query: async () => ({ token: "t" }) });
    assert.match(await response.text(), /\/request\?token=t$/);
  },
  "fetch-init": async (room) => {
    const body = new Uint8Array(100_000).map((_, index) => index);
    const echoed = await request({ room, path: "body" }, { method: "PUT", body });
    assert.deepEqual(new Uint8Array(await echoed.arrayBuffer()), body);
    const options = { room, path: "header", query: { "x-who": "" } };
    const header = await request({ ...options, fetch: (url, init) => fetch(url.replace("x-who=", "x-who"), init) }, {
      headers: { "x-who": "ada" },
    });
    assert.equal(await header.text(), "ada");
  },
  "fetch-statuses": async (room) => {
    const teapot = await request({ room, path: "teapot" });
    assert.deepEqual([teapot.status, await teapot.text()], [418, "short and stout"]);
    const nobody = await request({ room, party: "nobody" });
    assert.deepEqual([nobody.status, await nobody.text()], [404, "Party nobody not found"]);
  },
  "fetch-base-path": async (room) => {
    const response = await request({ basePath: `party/${room}`, path: "request" });
    assert.match(await response.text(), new RegExp(`/party/${room}/request\\?$|/party/${room}/request$`));
  },
  "fetch-protocol": async (room) => {
    const urls = [];
    const spy = { room, fetch: async (url) => urls.push(url) };
    await request({ ...spy, host: "example.com" });
    await request({ ...spy, host: "localhost:1" });
    await request({ ...spy, host: "example.com", protocol: "http" });
    assert.deepEqual(urls.map((url) => new URL(url).protocol), ["https:", "http:", "http:"]);
  },
};
