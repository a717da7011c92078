/*
 * Runs an unmodified OpenAI client.  Each line of standard input is a JSON
 * array of calls, for which a line with an array of results is written;
 * what the client throws is a result as well.  PLUGWAY_CLIENTS is the
 * directory of node_modules.
 */
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.env.PLUGWAY_CLIENTS}/`);
const OpenAI = require("openai");

const verbs = {
	async models(client) {
		const page = await client.models.list();
		const ids = [];
		for await (const model of page)
			ids.push(model.id);
		return { value: ids, requestId: page._request_id ?? null };
	},

	async chat(client, call) {
		const value = await client.chat.completions.create(call.body);
		return { value, requestId: value._request_id };
	},

	async stream(client, call) {
		const { data, response, request_id: requestId } =
		    await client.chat.completions.create(
			{ ...call.body, stream: true }).withResponse();
		const value = [];
		const so_far = { value, requestId,
		    type: response.headers.get("content-type") };
		try {
			for await (const chunk of data)
				value.push(chunk);
		} catch (error) {
			return { ...so_far, error: told(error) };
		}
		return so_far;
	},

	/* The client's own collector of a stream. */
	async collect(client, call) {
		const runner = client.chat.completions.stream(call.body);
		return { value: await runner.finalChatCompletion() };
	},

	/* Leaves after so many chunks. */
	async leave(client, call) {
		const stream = await client.chat.completions.create(
		    { ...call.body, stream: true });
		const value = [];
		for await (const chunk of stream) {
			value.push(chunk);
			if (value.length === call.after)
				break;
		}
		return { value };
	}
};

function told(error) {
	return {
		names: lineage(error), message: error.message,
		status: error.status ?? null, code: error.code ?? null,
		type: error.type ?? null, param: error.param ?? null,
		requestId: error.requestID ?? null,
		detail: error.error ?? null
	};
}

function lineage(error) {
	const names = [];
	for (let o = Object.getPrototypeOf(error); o && o.constructor !== Object;
	    o = Object.getPrototypeOf(o))
		names.push(o.constructor.name);
	return names;
}

async function run(call) {
	const client = new OpenAI({
		baseURL: call.base, apiKey: call.key,
		maxRetries: call.retries ?? 0, timeout: 30000
	});
	const began = performance.now();
	let result;
	try {
		result = await verbs[call.verb](client, call);
	} catch (error) {
		result = { error: told(error) };
	}
	return { ...result, took: (performance.now() - began) / 1000 };
}

for await (const line of createInterface({ input: process.stdin })) {
	const results = [];
	for (const call of JSON.parse(line))
		results.push(await run(call));
	process.stdout.write(`${JSON.stringify(results)}\n`);
}
