/* Shows the API document with ReDoc. */
"use strict";

if (typeof Redoc === "object") {
	Redoc.init("/api/openapi.json", { hideDownloadButton: false,
	    disableSearch: false, nativeScrollbars: true },
	    document.getElementById("docs"));
} else {
	document.getElementById("docs").innerHTML =
	    '<p class="missing">ReDoc is not installed: run ' +
	    "<code>contrib/assets</code>, then <code>make install</code>. " +
	    'The document itself is <a href="/api/openapi.json">openapi.json' +
	    "</a>.<br>文档页面组件未安装，请运行 <code>contrib/assets</code> " +
	    "后重新执行 <code>make install</code>。</p>";
}
