/* Shows the API document with Swagger UI; nothing is asked of any other
 * host, so no validator and no remote examples. */
"use strict";

if (typeof SwaggerUIBundle === "function") {
	window.ui = SwaggerUIBundle({
		url: "/api/openapi.json",
		dom_id: "#docs",
		deepLinking: true,
		validatorUrl: null,
		displayRequestDuration: true,
		docExpansion: "list",
		defaultModelsExpandDepth: 0
	});
} else {
	document.getElementById("docs").innerHTML =
	    '<p class="missing">Swagger UI is not installed: run ' +
	    "<code>contrib/assets</code>, then <code>make install</code>. " +
	    'The document itself is <a href="/api/openapi.json">openapi.json' +
	    "</a>.<br>文档页面组件未安装，请运行 <code>contrib/assets</code> " +
	    "后重新执行 <code>make install</code>。</p>";
}
