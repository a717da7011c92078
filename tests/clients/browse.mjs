/*
 * Opens the pages in a real Chromium and does what a person does there.
 * A line of JSON in ({base, name, shots}), a line out: what was seen on
 * each page, with every console message and every address asked for.
 */
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.env.PLUGWAY_CLIENTS}/`);
const { chromium } = require("playwright-core");

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic",
	"--no-first-run", "--disable-background-networking",
	"--disable-component-update", "--disable-sync"];
const WAIT = { timeout: 20000 };

/* What a page says and asks for, from here on. */
function watch(page) {
	const seen = { errors: [], asked: [] };
	page.on("console", (m) => {
		if (m.type() === "error" || m.type() === "warning")
			seen.errors.push(m.text());
	});
	page.on("pageerror", (e) => seen.errors.push(String(e)));
	page.on("request", (r) => {
		if (!/^(data|blob):/.test(r.url()))
			seen.asked.push(new URL(r.url()).origin);
	});
	return seen;
}

/* Wider than the window?  Then it has to be pushed about. */
const overflow = (page) => page.evaluate(() =>
	document.documentElement.scrollWidth > window.innerWidth);

async function onPage(context, job, name, steps) {
	const page = await context.newPage();
	const seen = watch(page);
	let told = {};
	try {
		told = await steps(page);
	} catch (error) {
		told = { failed: String(error) };
	}
	told.wide = await overflow(page);
	await page.screenshot({ path: `${job.shots}/${name}.png` });
	await page.close();
	return { ...told, ...seen, asked: [...new Set(seen.asked)] };
}

async function signIn(page, job) {
	await page.goto(`${job.base}/`);
	const button = page.locator("#providers a.button").first();
	await button.waitFor(WAIT);
	const label = await button.textContent();
	await page.screenshot({ path: `${job.shots}/welcome.png` });
	await page.click("#language");
	const other = await button.textContent();
	await page.click("#language");
	await button.click();
	await page.locator("input[name=auto]:visible").fill(job.name);
	await page.getByRole("button", { name: "Sign in", exact: true })
		.click();
	await page.locator("#signed-in").waitFor(WAIT);
	return { label, other };
}

const console_ = (job) => async (page) => {
	const told = await signIn(page, job);
	await page.locator("#key-state.ok").waitFor(WAIT);
	await page.locator("#model option").first().waitFor(
	    { ...WAIT, state: "attached" });
	told.user = await page.textContent("#username");
	told.key = await page.textContent("#key-state");
	await page.fill("#key-name", "from the console");
	await page.click("#key-form button");
	await page.locator("#new-key").waitFor(WAIT);
	told.made = await page.textContent("#new-key-text");
	told.listed = await page.textContent("#key-list");
	await page.fill("#message", "hello from the console");
	await page.click("#send");
	await page.waitForFunction(() => /\d s/.test(
	    document.getElementById("chat-state").textContent), null, WAIT);
	told.answer = await page.textContent(".turn.assistant");
	told.url = page.url();
	told.stored = await page.evaluate(() =>
		JSON.stringify([{ ...localStorage }, { ...sessionStorage },
		    document.cookie]));
	return told;
};

const narrow = (job) => async (page) => {
	await page.setViewportSize({ width: 360, height: 740 });
	await page.goto(`${job.base}/`);
	await page.locator("#key-state.ok").waitFor(WAIT);
	return { user: await page.textContent("#username") };
};

const swagger = (job) => async (page) => {
	await page.goto(`${job.base}/`);
	await page.locator("#signed-in").waitFor(WAIT);
	const pair = await page.evaluate(async () =>
		(await fetch("/api/auth/refresh", { method: "POST" })).json());
	await page.goto(`${job.base}/api/docs`);
	await page.locator(".opblock").first().waitFor(WAIT);
	const told = { operations: await page.locator(".opblock").count() };
	await page.click("button.authorize");
	const box = page.locator(".auth-container", { hasText: "session" })
		.first();
	await box.locator("input").fill(pair.access_token);
	await box.locator("button[type=submit]").click();
	await page.click("button.btn-done");
	const me = page.locator("#operations-Session-me");
	await me.locator(".opblock-summary-control").click();
	await me.locator("button.try-out__btn").click();
	await me.locator("button.execute").click();
	const live = me.locator(".live-responses-table .response");
	await live.waitFor(WAIT);
	told.status = (await live.locator(".response-col_status").first()
		.textContent()).trim();
	told.body = await live.locator(".response-col_description")
		.textContent();
	await me.scrollIntoViewIfNeeded();
	return told;
};

const redoc = (job) => async (page) => {
	await page.goto(`${job.base}/api/redoc`);
	await page.locator("[data-section-id], [id^='operation/']").first()
		.waitFor(WAIT);
	return { operations:
	    await page.locator("[id^='operation/'], [id*='/operation/']")
		.count(), title: await page.textContent("h1") };
};

const signOut = (job) => async (page) => {
	await page.goto(`${job.base}/`);
	await page.locator("#signed-in").waitFor(WAIT);
	await page.click("#signout");
	await page.locator("#providers a.button").first().waitFor(WAIT);
	const notice = await page.textContent("#notice");
	await page.reload();
	await page.locator("#providers a.button").first().waitFor(WAIT);
	return { notice, still: await page.isVisible("#signed-in") };
};

const denied = (job) => async (page) => {
	await page.goto(`${job.base}/`);
	await page.locator("#providers a.button").first().click();
	await page.getByRole("button", { name: "Deny" }).click();
	await page.locator("#notice.bad").waitFor(WAIT);
	return { notice: await page.textContent("#notice"),
	    url: page.url() };
};

for await (const line of createInterface({ input: process.stdin })) {
	const job = JSON.parse(line);
	const browser = await chromium.launch({
		executablePath: process.env.PLUGWAY_CHROMIUM, args: FLAGS });
	const context = await browser.newContext({ locale: "en-US",
		viewport: { width: 1200, height: 900 } });
	const told = { version: browser.version() };
	const pages = { console: console_, narrow, swagger, redoc,
	    "signed-out": signOut, denied };
	for (const [name, steps] of Object.entries(pages))
		told[name] = await onPage(context, job, name, steps(job));
	await browser.close();
	process.stdout.write(`${JSON.stringify(told)}\n`);
}
