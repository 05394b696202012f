// Somebody at a browser without scripts: it keeps cookies, follows redirects as
// long as they stay at the issuer, and fills in each form that it meets there.
export class Person {
  #issuer;
  #answers;
  #cookies = new Map();

  // answers has what is typed into the fields of forms, by their names.
  constructor(issuer, answers) {
    this.#issuer = new URL(issuer);
    this.#answers = answers;
  }

  // visit opens an address and answers where the browser is sent in the end: an
  // address at another origin, with what a form would post there as its query,
  // or undefined and the last page's text.
  async visit(address) {
    let at = new URL(address);
    let form;
    for (let hop = 0; hop < 20; hop++) {
      const response = await this.#send(at, form);
      const text = await response.text();
      form = undefined;
      if (response.status === 303) {
        at = new URL(response.headers.get("location"), at);
      } else if (response.status !== 200) {
        throw new Error(`${at.pathname} answered ${response.status}: ${text}`);
      } else {
        const found = this.#fill(text);
        if (!found) return { text };
        at = new URL(found.action, at);
        form = found.fields;
        if (at.origin !== this.#issuer.origin) at.search = form;
      }
      if (at.origin !== this.#issuer.origin) return { url: at };
    }
    throw new Error(`no end of ${address}`);
  }

  async #send(at, form) {
    const headers = { cookie: [...this.#cookies].map((pair) => pair.join("=")).join("; ") };
    if (form) Object.assign(headers, { origin: this.#issuer.origin, "sec-fetch-site": "same-origin" });
    const response = await fetch(at, { method: form ? "POST" : "GET", body: form, headers, redirect: "manual" });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]*)=([^;]*)/.exec(line);
      if (value === "" || /; max-age=0/i.test(line)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return response;
  }

  // Hidden fields stay as they are; of two buttons the first is pressed.
  #fill(page) {
    const [form, action] = /<form method="post" action="([^"]*)".*?<\/form>/s.exec(page) ?? [];
    if (!form) return undefined;
    const fields = new URLSearchParams();
    for (const [element, name] of form.matchAll(/<(?:input|button)[^>]*\bname="([^"]*)"[^>]*>/g)) {
      const [, value] = /\bvalue="([^"]*)"/.exec(element) ?? [, ""];
      if (!fields.has(name)) fields.set(name, this.#answers[name] ?? plain(value));
    }
    return { action: plain(action), fields };
  }
}

const characters = { amp: "&", lt: "<", gt: ">", quot: '"', "#34": '"', "#39": "'", "#43": "+" };

const plain = (text) => text.replaceAll(/&([^;]+);/g, (all, name) => characters[name] ?? all);
