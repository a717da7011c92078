/*
 * The console: sign in by the browser flow, see who you are and what
 * became of your upstream account, make personal keys, chat.
 *
 * The access token lives in a variable only; the refresh token is a
 * cookie that scripts cannot read.
 */
"use strict";

const TEXTS = {
	en: {
		skip: "Skip to content", navigation: "Navigation",
		docs: "API documentation", reference: "Reference",
		signout: "Sign out", other: "中文",
		welcome: "One sign-in, one key, every model",
		intro: "Sign in, and an upstream account is opened for you. Your programs then call this gateway with a token or a personal key; the upstream's key never leaves it.",
		signIn: "Sign in with {0}",
		noProviders: "No sign-in provider is configured. The operator sets OAUTH_CLIENT_ID, GITHUB_CLIENT_ID or OIDC_…_CLIENT_ID.",
		you: "You", trust: "User {0}, trust level {1}",
		silenced: "silenced", account: "Upstream account",
		ok: "Ready", pending: "Being opened", failed: "Could not be opened",
		disabled: "Disabled",
		okDetail: "Account {0}",
		pendingDetail: "This takes a moment and heals by itself.",
		failedDetail: "The operator has to look at it.",
		disabledDetail: "The operator has switched it off.",
		keys: "Personal keys", keyName: "Name of the key",
		create: "Create", once: "Copy it now, it is shown only once:",
		remove: "Delete", removeNamed: "Delete the key {0}",
		nameless: "(no name)", noKeys: "None yet.",
		chat: "Chat", model: "Model", message: "Your message",
		send: "Send", stop: "Stop", thinking: "Waiting for the answer…",
		stopped: "Stopped.", done: "Answered in {0} s.",
		cut: "The answer was cut off.", noModels: "No models: {0}",
		use: "From a program",
		useText: "Any OpenAI client works, with this base URL and a personal key:",
		unreachable: "The gateway does not answer. Please try again shortly.",
		ended: "Your session has ended. Please sign in again.",
		signedOut: "You are signed out.",
		signInFailed: "The sign-in did not work: {0}",
		request: " (request {0})",
		errors: {
			invalid_state: "it has expired or was already used. Please start again.",
			provider_mismatch: "the answer came from another provider.",
			signin_denied: "the provider did not sign you in.",
			signin_failed: "the provider gave no usable answer.",
			provider_unreachable: "the provider cannot be reached.",
			provider_not_configured: "this provider is not configured.",
			user_disabled: "this account is disabled.",
			signup_closed: "new accounts are not being accepted.",
			trust_level_too_low: "your trust level is too low to sign up here.",
			database_unavailable: "the database does not answer. Please try again shortly.",
			rate_limited: "too many attempts. Please wait a minute."
		}
	},
	zh: {
		skip: "跳到正文", navigation: "导航",
		docs: "API 文档", reference: "参考手册",
		signout: "退出登录", other: "English",
		welcome: "一次登录，一个密钥，所有模型",
		intro: "登录后系统会自动为您开通上游账号。您的程序使用令牌或个人密钥访问本网关，上游密钥永远不会离开网关。",
		signIn: "使用 {0} 登录",
		noProviders: "尚未配置登录提供方。请管理员设置 OAUTH_CLIENT_ID、GITHUB_CLIENT_ID 或 OIDC_…_CLIENT_ID。",
		you: "您的信息", trust: "用户 {0}，信任等级 {1}",
		silenced: "已被禁言", account: "上游账号",
		ok: "已就绪", pending: "正在开通", failed: "开通失败",
		disabled: "已停用",
		okDetail: "账号 {0}",
		pendingDetail: "请稍候，故障恢复后会自动完成。",
		failedDetail: "需要管理员处理。",
		disabledDetail: "管理员已将其停用。",
		keys: "个人密钥", keyName: "密钥名称",
		create: "创建", once: "请立即复制，密钥只显示一次：",
		remove: "删除", removeNamed: "删除密钥 {0}",
		nameless: "（未命名）", noKeys: "暂无。",
		chat: "对话", model: "模型", message: "输入消息",
		send: "发送", stop: "停止", thinking: "等待回答……",
		stopped: "已停止。", done: "用时 {0} 秒。",
		cut: "回答中途断开。", noModels: "无法获取模型：{0}",
		use: "在程序中使用",
		useText: "任何 OpenAI 客户端都可使用，填写以下地址与个人密钥：",
		unreachable: "网关没有响应，请稍后再试。",
		ended: "会话已结束，请重新登录。",
		signedOut: "您已退出登录。",
		signInFailed: "登录失败：{0}",
		request: "（请求编号 {0}）",
		errors: {
			invalid_state: "登录已过期或已被使用，请重新开始。",
			provider_mismatch: "响应来自其他登录提供方。",
			signin_denied: "登录提供方未完成登录。",
			signin_failed: "登录提供方未返回有效结果。",
			provider_unreachable: "无法连接登录提供方。",
			provider_not_configured: "该登录提供方未配置。",
			user_disabled: "账号已被禁用。",
			signup_closed: "暂不接受新账号。",
			trust_level_too_low: "信任等级不足，无法注册。",
			database_unavailable: "数据库暂不可用，请稍后再试。",
			rate_limited: "尝试过于频繁，请稍候一分钟。"
		}
	}
};

const KEY_POLL_MS = 2000;
const RENEW_EARLY_S = 300;

let language = (navigator.language || "en").startsWith("zh") ? "zh" : "en";
let token = null;
let renewTimer = 0;
let keyTimer = 0;
let person = null;
let account = null;
let keys = null;
let providers = null;
let turns = [];
let running = null;

const at = (id) => document.getElementById(id);
const show = (id, on) => { at(id).hidden = !on; };

function text(name, ...values) {
	const line = TEXTS[language][name];
	return values.reduce((s, v, i) => s.replace(`{${i}}`, v), line);
}

function notice(message, bad) {
	at("notice").textContent = message || "";
	at("notice").classList.toggle("bad", Boolean(bad));
	show("notice", Boolean(message));
}

/* ---- calls ---------------------------------------------------------- */

class Refused extends Error {
	constructor(status, body) {
		let detail = body && body.detail;
		if (Array.isArray(detail))
			detail = detail.map((d) => d.msg).join(", ");
		super(detail || text("unreachable"));
		this.status = status;
		this.code = body && body.error && body.error.code;
	}
}

async function send(method, path, body, signal) {
	const headers = { "Accept-Language": language };
	if (token)
		headers.Authorization = `Bearer ${token}`;
	if (body !== undefined)
		headers["Content-Type"] = "application/json";
	let answer;
	try {
		answer = await fetch(path, { method, headers, signal,
		    body: body === undefined ? undefined : JSON.stringify(body) });
	} catch (problem) {
		if (problem.name === "AbortError")
			throw problem;
		throw new Refused(0, null);
	}
	if (answer.ok)
		return answer;
	throw new Refused(answer.status, await answer.json().catch(() => null));
}

/* A 401 means: our session.  It is renewed once, and the call repeated;
 * a call that was answered 401 has had no effect. */
async function call(method, path, body, signal) {
	try {
		return await send(method, path, body, signal);
	} catch (problem) {
		if (problem.status !== 401)
			throw problem;
		if (!await renew()) {
			signedOut(text("ended"), true);
			throw problem;
		}
		return send(method, path, body, signal);
	}
}

const json = async (...request) => (await call(...request)).json();

/* A new access token for the cookie; false: not signed in. */
async function renew() {
	token = null;
	clearTimeout(renewTimer);
	try {
		const pair = await (await send("POST", "/api/auth/refresh")).json();
		token = pair.access_token;
		const wait = Math.max(pair.expires_in - RENEW_EARLY_S, 30);
		renewTimer = setTimeout(renew, Math.min(wait, 86400) * 1000);
		return true;
	} catch (problem) {
		if (problem.status === 401 || problem.status === 403 ||
		    problem.status === 422)
			return false;
		throw problem;
	}
}

/* ---- what is shown -------------------------------------------------- */

function draw() {
	document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
	for (const e of document.querySelectorAll("[data-text]"))
		e.textContent = text(e.dataset.text);
	for (const e of document.querySelectorAll("[data-label]"))
		e.setAttribute("aria-label", text(e.dataset.label));
	for (const e of document.querySelectorAll("[data-hint]"))
		e.placeholder = text(e.dataset.hint);
	at("language").textContent = text("other");
	at("language").lang = language === "zh" ? "en" : "zh-CN";
	show("welcome", !person && providers !== null);
	show("signed-in", Boolean(person));
	show("signout", Boolean(person));
	drawProviders();
	drawPerson();
	drawAccount();
	drawKeys();
	at("example").textContent =
	    `curl ${location.origin}/v1/chat/completions \\\n` +
	    "  -H 'Authorization: Bearer sk-…' \\\n" +
	    "  -H 'Content-Type: application/json' \\\n" +
	    `  -d '{"model":"${at("model").value || "…"}","messages":` +
	    '[{"role":"user","content":"Hello"}]}\'';
}

function drawProviders() {
	const list = providers || [];
	at("providers").replaceChildren(...list.map((p) => {
		const link = document.createElement("a");
		link.className = "button";
		link.href = `/api/auth/login/${encodeURIComponent(p.id)}?return_to=/`;
		link.textContent = text("signIn", p.name);
		return link;
	}));
	show("no-providers", providers !== null && list.length === 0);
}

function drawPerson() {
	if (!person)
		return;
	at("username").textContent = person.username;
	at("who-detail").textContent =
	    text("trust", person.id, person.trust_level) +
	    (person.is_silenced ? `, ${text("silenced")}` : "");
	if (/^https?:\/\//.test(person.avatar_url || ""))
		at("avatar").src = person.avatar_url;
	show("avatar", at("avatar").hasAttribute("src"));
}

function drawAccount() {
	if (!account)
		return;
	const state = account.status in TEXTS.en ? account.status : "failed";
	at("key-state").className = `state ${state}`;
	at("key-state").textContent = text(state);
	at("key-detail").textContent = account.reason ||
	    text(`${state}Detail`, account.plugin_user_id || "");
}

function drawKeys() {
	if (!keys)
		return;
	const rows = keys.map((key) => {
		const row = document.createElement("li");
		const label = document.createElement("span");
		const button = document.createElement("button");
		const name = key.name || text("nameless");
		label.textContent = `${name} ${key.key_preview}`;
		button.className = "quiet";
		button.textContent = text("remove");
		button.setAttribute("aria-label", text("removeNamed", name));
		button.addEventListener("click", () => guarded(async () => {
			await call("DELETE", `/api/api-keys/${key.id}`);
			await loadKeys();
		}));
		row.append(label, button);
		return row;
	});
	if (rows.length === 0) {
		const row = document.createElement("li");
		row.className = "dim";
		row.textContent = text("noKeys");
		rows.push(row);
	}
	at("key-list").replaceChildren(...rows);
}

/* Runs a step; what goes wrong is said. */
async function guarded(step) {
	try {
		await step();
	} catch (problem) {
		notice(problem.message, true);
	}
}

/* ---- signed in ------------------------------------------------------ */

async function loadAccount() {
	clearTimeout(keyTimer);
	if (!person)
		return;
	const before = account && account.status;
	account = await json("GET", "/api/plugin-api/key");
	drawAccount();
	if (account.status === "pending")
		keyTimer = setTimeout(() => guarded(loadAccount), KEY_POLL_MS);
	if (account.status === "ok" && before !== "ok")
		await loadModels();
}

async function loadModels() {
	try {
		const list = (await json("GET", "/v1/models")).data;
		at("model").replaceChildren(...list.map((m) =>
			new Option(m.id, m.id)));
		at("chat-state").textContent = "";
	} catch (problem) {
		at("chat-state").textContent = text("noModels", problem.message);
	}
	draw();
}

async function loadKeys() {
	keys = await json("GET", "/api/api-keys");
	drawKeys();
}

async function signedIn() {
	person = await json("GET", "/api/auth/me");
	draw();
	await Promise.all([guarded(loadAccount), guarded(loadKeys)]);
}

function signedOut(message, bad) {
	if (running)
		running.abort();
	clearTimeout(renewTimer);
	clearTimeout(keyTimer);
	token = person = account = keys = null;
	turns = [];
	at("log").replaceChildren();
	at("avatar").removeAttribute("src");
	show("new-key", false);
	notice(message, bad);
	draw();
	guarded(loadProviders);
}

async function loadProviders() {
	const answer = await send("GET", "/api/auth/oidc/providers");
	providers = (await answer.json()).providers;
	draw();
}

/* ---- chat ----------------------------------------------------------- */

function addTurn(role, content) {
	const box = document.createElement("div");
	box.className = `turn ${role}`;
	box.textContent = content;
	at("log").append(box);
	at("log").scrollTop = at("log").scrollHeight;
	return box;
}

/* The data of each event of a stream, as it comes in. */
async function* events(answer) {
	const reader = answer.body.getReader();
	const decoder = new TextDecoder();
	let rest = "";
	for (;;) {
		const { done, value } = await reader.read();
		if (done)
			return;
		rest += decoder.decode(value, { stream: true });
		const lines = rest.split("\n");
		rest = lines.pop();
		for (const line of lines)
			if (line.startsWith("data: "))
				yield line.slice(6).trim();
	}
}

/* Returns the answer's text; throws when it did not come to its end. */
async function read(answer, box) {
	const thought = document.createElement("span");
	const spoken = document.createElement("span");
	thought.className = "thought";
	box.replaceChildren(thought, spoken);
	for await (const data of events(answer)) {
		if (data === "[DONE]")
			return spoken.textContent;
		const event = JSON.parse(data);
		if (event.error)
			throw new Error(event.error.message);
		const delta = event.choices && event.choices[0] &&
		    event.choices[0].delta || {};
		thought.textContent += delta.reasoning_content || "";
		spoken.textContent += delta.content || "";
		at("log").scrollTop = at("log").scrollHeight;
	}
	throw new Error(text("cut"));
}

async function chat(message) {
	const began = Date.now();
	const messages = [...turns, { role: "user", content: message }];
	addTurn("user", message);
	const box = addTurn("assistant", "");
	running = new AbortController();
	show("stop", true);
	at("send").disabled = true;
	at("chat-state").textContent = text("thinking");
	try {
		const answer = await call("POST", "/v1/chat/completions",
		    { model: at("model").value, stream: true, messages },
		    running.signal);
		const content = await read(answer, box);
		turns = [...messages, { role: "assistant", content }];
		at("chat-state").textContent = text("done",
		    ((Date.now() - began) / 1000).toFixed(1));
	} catch (problem) {
		const stopped = problem.name === "AbortError";
		at("chat-state").textContent = stopped ? text("stopped") : "";
		if (!stopped)
			addTurn("bad", problem.message);
		if (!box.textContent)
			box.remove();
		if (problem.code === "registration_pending")
			guarded(loadAccount);
	} finally {
		running = null;
		show("stop", false);
		at("send").disabled = false;
	}
}

/* ---- begin ---------------------------------------------------------- */

function failedSignIn() {
	const query = new URLSearchParams(location.search);
	const code = query.get("signin_error");
	if (code === null)
		return "";
	history.replaceState(null, "", "/");
	const id = query.get("request_id");
	return text("signInFailed", TEXTS[language].errors[code] || code) +
	    (id ? text("request", id) : "");
}

async function begin() {
	const failure = failedSignIn();
	draw();
	notice(failure, true);
	try {
		if (!failure && await renew()) {
			await signedIn();
			return;
		}
		await loadProviders();
	} catch (problem) {
		notice(problem.message, true);
		providers = providers || [];
		setTimeout(() => { if (!person) begin(); }, 5000);
	}
}

at("language").addEventListener("click", () => {
	language = language === "zh" ? "en" : "zh";
	draw();
});

at("signout").addEventListener("click", () => guarded(async () => {
	await call("POST", "/api/auth/logout");
	signedOut(text("signedOut"), false);
}));

at("model").addEventListener("change", draw);

at("chat-form").addEventListener("submit", (event) => {
	event.preventDefault();
	const message = at("message").value.trim();
	if (!message || running)
		return;
	at("message").value = "";
	chat(message);
});

at("message").addEventListener("keydown", (event) => {
	if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
		event.preventDefault();
		at("chat-form").requestSubmit();
	}
});

at("stop").addEventListener("click", () => running && running.abort());

at("key-form").addEventListener("submit", (event) => {
	event.preventDefault();
	guarded(async () => {
		const made = await json("POST", "/api/api-keys",
		    { name: at("key-name").value, config_type: "antigravity" });
		at("key-name").value = "";
		at("new-key-text").textContent = made.key;
		show("new-key", true);
		await loadKeys();
	});
});

begin();
