"""Looks at a page in a browser, and lists what is wrong with it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.browser.chromium import DESKTOP, PHONE

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request

_SERIOUS: Final = ("serious", "critical")
_DRAWN: Final = """() => !document.querySelector("[aria-busy=true]") &&
  [...document.querySelectorAll("[data-chart]")].every(
    (chart) => chart.querySelector("svg") || chart.textContent.includes("could not"))"""
_UNDRAWN: Final = """() => [...document.querySelectorAll("[data-chart]")].filter(
    (chart) => !chart.querySelector("svg")).map((chart) => chart.dataset.chart)"""
# Elements that reach out of the page, without those in a box that scrolls or cuts.
_TOO_WIDE: Final = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return null;
  const isCut = (element) => element && element !== document.body &&
    (getComputedStyle(element).overflowX !== "visible" || isCut(element.parentElement));
  return [...document.body.querySelectorAll("*")].filter(
    (element) => element.getBoundingClientRect().right > width + 0.5 && !isCut(element.parentElement)
  ).slice(0, 5).map((element) => `${element.tagName.toLowerCase()}.${element.className}`);
}"""
# What a name or a cell must not have become.
_INJECTED: Final = """() => [...document.querySelectorAll(
    "script:not([src]):not([type='application/json']), img[src='x'], [onerror], [onmouseover], main u, main s"
  )].map((element) => element.outerHTML.slice(0, 80))"""
_AXE: Final = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations.map((rule) => ({
    id: rule.id, impact: rule.impact, help: rule.help,
    nodes: rule.nodes.slice(0, 3).map((node) => node.html.slice(0, 160) + " " + (node.any[0]?.message ?? "")),
  }))"""


@dataclass
class Watch:
    """Writes down what a page does that no page may do."""

    origin: str
    faults: list[str] = field(default_factory=list)

    def attach(self, page: "Page") -> None:
        """Listen to a page."""
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.faults.append(f"an error in a script: {error}"))
        page.on("request", self._on_request)
        page.on("dialog", self._on_dialog)

    def _on_console(self, message: "ConsoleMessage") -> None:
        # The answer for the page itself is judged by its status.
        if message.type == "error" and not (
            "Failed to load resource" in message.text and message.location.get("url") == message.page.url
        ):
            self.faults.append(f"an error in the console: {message.text}")

    def _on_request(self, request: "Request") -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.faults.append(f"a request to another origin: {request.url}")

    def _on_dialog(self, dialog: "Dialog") -> None:
        self.faults.append(f"a dialog: {dialog.message}")
        dialog.dismiss()


class Inspector:
    """Opens pages in one profile of a browser."""

    def __init__(self, context: "BrowserContext", origin: str, axe: str | None) -> None:
        self._axe = axe
        self._watch = Watch(origin)
        if axe is not None:
            context.add_init_script(axe)
        self._page = context.new_page()
        self._watch.attach(self._page)

    def find_faults(self, path: str, status: int = 200) -> list[str]:
        """Open a page in two widths, and return what is wrong with it."""
        page = self._page
        self._watch.faults.clear()
        page.set_viewport_size(DESKTOP)
        answer = page.goto(path)
        wait_for_charts(page)
        faults = self._watch.faults
        if answer is None or answer.status != status:
            faults.append(f"status {answer and answer.status} instead of {status}")
        faults += [f"a chart that is not drawn: {name}" for name in page.evaluate(_UNDRAWN)]
        faults += [f"text that became HTML: {element}" for element in page.evaluate(_INJECTED)]
        if page.locator("h1").count() != 1:
            faults.append(f"{page.locator('h1').count()} headings of the first level")
        found = list(faults)
        for viewport in (DESKTOP, PHONE):
            page.set_viewport_size(viewport)
            # Observers of sizes are called before the next frame.
            page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            found += self._find_layout_faults(viewport["width"])
        return [f"{path}: {fault}" for fault in found]

    def is_found(self, path: str) -> bool:
        """Return whether there is such a page: not every model has a threshold, say."""
        return self._page.request.get(path).status != 404

    def tabs(self, path: str) -> list[str]:
        """Return the addresses of the tabs on a page."""
        self._page.goto(path)
        return self._page.eval_on_selector_all(".tabs a", "(links) => links.map((link) => link.getAttribute('href'))")

    def _find_layout_faults(self, width: int) -> list[str]:
        too_wide = self._page.evaluate(_TOO_WIDE)
        faults = [f"scrolls sideways at {width} px: {too_wide}"] if too_wide is not None else []
        if self._axe is not None:
            faults += [_describe(rule, width) for rule in self._page.evaluate(_AXE) if rule["impact"] in _SERIOUS]
        return faults


def wait_for_charts(page: "Page") -> None:
    """Return when each chart of a page is drawn, or says that it cannot be; also one that the page still asks for."""
    page.wait_for_function(_DRAWN)


def _describe(rule: dict[str, Any], width: int) -> str:
    return f"{rule['impact']} {rule['id']} at {width} px: {rule['help']}: {rule['nodes']}"
