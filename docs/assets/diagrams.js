// Draws the mermaid diagrams of a page with the copy of mermaid that lies beside this file.
(() => {
    const blocks = document.querySelectorAll("pre.diagram");
    if (!blocks.length) return;
    const isDark = () => document.body.getAttribute("data-md-color-scheme") === "slate";
    const sources = [...blocks].map((block) => block.textContent);

    async function draw() {
        mermaid.initialize({
            startOnLoad: false,
            securityLevel: "strict",
            theme: isDark() ? "dark" : "neutral",
            // The labels are measured with this font, so the page has to draw them with it (site.css).
            fontFamily: "system-ui, sans-serif",
            // Narrow, so that the text stays large when the page scales a diagram to its width.
            flowchart: { nodeSpacing: 30, rankSpacing: 35, padding: 12, wrappingWidth: 320 },
            sequence: { actorMargin: 15, width: 130, wrap: true },
        });
        for (const [index, block] of blocks.entries()) {
            const { svg } = await mermaid.render(`diagram-${index}`, sources[index]);
            block.innerHTML = svg;
            block.classList.add("drawn");
        }
    }

    const script = document.createElement("script");
    script.src = new URL("mermaid.min.js", document.currentScript.src).href;
    script.onload = () => {
        draw();
        new MutationObserver(draw).observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
    };
    document.head.append(script);
})();
