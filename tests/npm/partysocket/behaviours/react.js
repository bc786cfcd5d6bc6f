// The hooks for React: usePartySocket and useWebSocket.

import assert from "node:assert/strict";

import { usePartySocket, useWebSocket } from "partysocket/react";
import { act, createElement } from "react";
import { create } from "react-test-renderer";
import { WebSocket } from "ws";

import { host } from "../../support/host.js";
import { Client, warnings } from "../../support/probe.js";
import { within } from "../../support/wait.js";

globalThis.IS_REACT_ACT_ENVIRONMENT = true;

/** A component that uses a socket as it is told, and can be told otherwise. */
class Mounted {
  constructor(hook, first) {
    this.heard = [];
    this.waiting = () => {};
    const hear = (what) => {
      this.heard.push(what);
      this.waiting();
    };
    const handlers = {
      onOpen: () => hear("open"),
      onMessage: ({ data }) => hear(data),
      onClose: ({ code }) => hear(`close ${code}`),
      onError: ({ message }) => hear(message),
    };
    this.Component = (options) => {
      this.socket = hook({ WebSocket, ...handlers, ...options });
      return null;
    };
    act(() => (this.root = create(createElement(this.Component, first))));
  }

  update(options) {
    act(() => this.root.update(createElement(this.Component, options)));
  }

  unmount() {
    act(() => this.root.unmount());
  }

  /** Waits until it has heard this. */
  async hears(what) {
    const heard = new Promise((resolve) => {
      this.waiting = () => this.heard.includes(what) && resolve();
      this.waiting();
    });
    await within(heard, `${what}; heard was ${this.heard.join(", ")}`);
  }

  async says(word, answer) {
    this.socket.send(word);
    await this.hears(answer);
  }
}

/** Runs with a component on the page, which is taken away at the end; what react-test-renderer says of itself is left out. */
async function mounted(hook, options, run) {
  const { error } = console;
  console.error = (text, ...more) => `${text}`.startsWith("react-test-renderer is deprecated") || error(text, ...more);
  const component = new Mounted(hook, options);
  try {
    await run(component);
  } finally {
    component.unmount();
    console.error = error;
  }
}

const party = (options) => usePartySocket(options);

export const rows = {
  "react-handlers": async (room) => {
    await mounted(party, { host, room }, async (component) => {
      await component.hears("open");
      await component.says("id", room);
      await component.says("close 4000", "close 4000");
    });
    await mounted(party, { host, room, query: { reject: "403" }, maxRetries: 0 }, async (component) => {
      await component.hears("Unexpected server response: 403");
    });
  },
  "react-host-of-the-page": async (room) => {
    globalThis.window = { location: { host } };
    try {
      await mounted(party, { room }, async (component) => {
        await component.hears("open");
        assert.equal(component.socket.host, host);
        await component.says("id", room);
      });
    } finally {
      delete globalThis.window;
    }
  },
  "react-one-socket": async (room) => {
    await mounted(party, { host, room }, async (component) => {
      await component.hears("open");
      const { socket } = component;
      component.update({ host, room });
      assert.equal(component.socket, socket, "it stays while nothing is changed");
    });
  },
  "react-leaves": async (room) => {
    const stays = await Client.open({ room });
    await mounted(party, { host, room }, (component) => component.hears("open"));
    assert.equal(await stays.left(), "1000  clean");
  },
  "react-another-room": async (room) => {
    const stays = await Client.open({ room });
    await mounted(party, { host, room }, async (component) => {
      await component.says("id", room);
      const { socket } = component;
      component.update({ host, room: `${room}-south` });
      assert.notEqual(component.socket, socket);
      await component.says("id", `${room}-south`);
      assert.equal(await stays.left(), "1000  clean");
    });
  },
  "react-enabled": async (room) => {
    const stays = await Client.open({ room });
    await mounted(party, { host, room, enabled: false }, async (component) => {
      assert.equal(component.socket.readyState, component.socket.CLOSED);
      component.update({ host, room, enabled: true });
      await component.hears("open");
      component.update({ host, room, enabled: false });
      assert.equal(await stays.left(), "1000  clean");
      component.heard = [];
      component.update({ host, room, enabled: true });
      await component.hears("open");
      await component.says("id", room);
    });
  },
  "react-messages-that-wait": async (room) => {
    // In the same place they are handed over; elsewhere they are dropped with a warning, unless that is asked for.
    await mounted(party, { host, room, query: { a: "1" } }, async (component) => {
      component.socket.send("echo same place");
      component.update({ host, room, query: { a: "2" } });
      await component.hears("same place");
    });
    const said = await warnings(() =>
      mounted(party, { host, room }, async (component) => {
        component.socket.send("echo dropped");
        component.update({ host, room: `${room}-south` });
        await component.says("said", "1");
        assert.ok(!component.heard.includes("dropped"));
      }),
    );
    assert.match(said.join(), /discarded 1 buffered message/);
    await mounted(party, { host, room }, async (component) => {
      component.socket.send("echo handed over");
      component.update({ host, room: `${room}-east`, transferEnqueuedMessages: true });
      await component.hears("handed over");
    });
  },
  "react-websocket": async (room) => {
    const url = `ws://${host}/parties/main/${room}`;
    const hook = ({ url, ...options }) => useWebSocket(url, ["one"], options);
    await mounted(hook, { url }, async (component) => {
      await component.says("id", room);
      assert.equal(component.socket.protocol, "one");
      component.update({ url: `${url}-south` });
      await component.says("id", `${room}-south`);
    });
  },
};
