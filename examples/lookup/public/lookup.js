// The page of the permissions. The tenant is named by `?room=` or `#`, else it is `acme`.
"use strict";

const room = new URLSearchParams(location.search).get("room") || location.hash.slice(1) || "acme";
const path = `/parties/main/${encodeURIComponent(room)}`;
const element = (id) => document.getElementById(id);
const grants = new Set();
let socket;
let wait = 250;
let timer;

/** USER/ACTION/RESOURCE as a URL has it. */
const escaped = (grant) => grant.split("/").map(encodeURIComponent).join("/");

/** Ask the lobby: no room is named, and none of the page's sockets is needed. */
async function ask() {
  const asked = ["user", "action", "resource"].map((id) => element(id).value.trim());
  const began = performance.now();
  const response = await fetch(`/may/${encodeURIComponent(room)}/${asked.map(encodeURIComponent).join("/")}`);
  const answer = element("answer");
  if (response.ok) {
    const { may } = await response.json();
    answer.textContent = `${may ? "Yes" : "No"}, ${(performance.now() - began).toFixed(1)} ms`;
    answer.className = may ? "yes" : "no";
  } else {
    answer.textContent = await response.text();
    answer.className = "";
  }
}

/** Grant, or take back, with the key. */
async function change(method, grant) {
  const headers = { authorization: `Bearer ${element("key").value}` };
  const response = await fetch(`${path}/grants/${escaped(grant)}`, { method, headers });
  const [done, why] = [{ PUT: "granted", DELETE: "taken back" }[method], await response.text()];
  element("sorry").textContent = response.ok ? `${grant} is ${done}` : why || `${grant} is not there`;
}

function show() {
  const lines = [...grants].sort().map((grant) => {
    const line = Object.assign(document.createElement("li"), { textContent: grant });
    const revoke = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
    revoke.ariaLabel = `take back ${grant}`;
    revoke.onclick = () => change("DELETE", grant).catch(failed);
    line.append(revoke);
    return line;
  });
  element("grants").replaceChildren(...lines);
}

const receive = {
  grants(all) {
    grants.clear();
    for (const grant of all) grants.add(grant);
    show();
  },
  granted(grant) {
    grants.add(grant);
    show();
  },
  revoked(grant) {
    grants.delete(grant);
    show();
  },
};

function connect(user) {
  clearTimeout(timer);
  if (socket) socket.onclose = null;
  socket?.close();
  let opened = false;
  socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}${path}?user=${encodeURIComponent(user)}`);
  socket.onopen = () => {
    opened = true;
    wait = 250;
    element("status").textContent = `watching as ${user}`;
    element("watching").textContent = "";
  };
  socket.onmessage = (message) => {
    for (const [kind, value] of Object.entries(JSON.parse(message.data))) receive[kind]?.(value);
  };
  socket.onclose = ({ code }) => {
    receive.grants([]);
    element("status").textContent = "not watching";
    // A browser does not tell a page why it was not let in.
    element("watching").textContent = code === 4003 || !opened ? `${user} is not let in; watch/grants must be granted` : "connecting";
    timer = setTimeout(connect, wait, user);
    wait = Math.min(wait * 2, 5000);
  };
}

function failed() {
  element("sorry").textContent = "the host does not answer";
}

const submits = (id, run) => {
  element(id).onsubmit = (event) => {
    event.preventDefault();
    run();
  };
};
submits("ask", () => ask().catch(failed));
submits("change", () => change("PUT", element("grant").value.trim()).catch(failed));
submits("watch", () => connect(element("watcher").value.trim()));
element("room").textContent = room;
addEventListener("hashchange", () => location.reload());
