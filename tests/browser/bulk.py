"""Makes many datasets and trainings out of one, in the database: pages are measured with lists as long as in use."""

from typing import Any, Final

from sqlalchemy import Connection, MetaData, Table, create_engine, func, select
from sqlalchemy.pool import NullPool

from dataml.db.session import configure_sqlite
from dataml.settings import Settings

MODELS: Final = 2_000
DATASETS: Final = 200
_VERSIONS: Final = 4


def multiply(settings: Settings, train_id: int, models: int = MODELS, datasets: int = DATASETS) -> None:
    """Add copies of a training, with its job, and of its dataset, until its tenant has so many more of them.

    The copies share the files of the original: they can be read, and must not be deleted.
    """
    engine = create_engine(settings.blocking_url, poolclass=NullPool)
    if settings.is_sqlite:
        configure_sqlite(engine)
    with engine.begin() as connection:
        metadata = MetaData()
        metadata.reflect(connection, only=["training", "dataset", "job", "predictor"])
        tables = metadata.tables
        training = _read(connection, tables["training"], train_id)
        dataset = _read(connection, tables["dataset"], training["dataset_id"])
        dataset_ids = _insert(
            connection, tables["dataset"], [{**dataset, "name": f"{dataset['name']} {n}"} for n in range(datasets)]
        )
        copies = [_copy_of_training(training, number, dataset_ids) for number in range(models)]
        train_ids = _insert(connection, tables["training"], copies)
        _add_predictors(connection, tables["predictor"], training, train_ids)
        job = _read_job(connection, tables["job"], train_id)
        _insert(connection, tables["job"], [{**job, "subject_id": each} for each in train_ids])
    engine.dispose()


def _copy_of_training(training: dict[str, Any], number: int, dataset_ids: list[int]) -> dict[str, Any]:
    predictor, version = divmod(number, _VERSIONS)
    return {
        **training,
        "predictor_name": f"{training['predictor_name']} {predictor}",
        "url_name": f"{training['url_name']}-{predictor}",
        "version": version + 1,
        "dataset_id": dataset_ids[number % len(dataset_ids)],
    }


def _add_predictors(connection: Connection, table: Table, training: dict[str, Any], train_ids: list[int]) -> None:
    """Add the predictors of the copies; the newest version of each answers for it."""
    same = select(table).where(
        table.c.tenant_id == training["tenant_id"], table.c.predictor_name == training["predictor_name"]
    )
    predictor = dict(connection.execute(same).mappings().one())
    champions = {number // _VERSIONS: train_id for number, train_id in enumerate(train_ids)}
    names = (_copy_of_training(training, number * _VERSIONS, [0]) for number in champions)
    copies = [
        {**predictor, "champion_id": champion, **{name: copy[name] for name in ("predictor_name", "url_name")}}
        for champion, copy in zip(champions.values(), names, strict=True)
    ]
    _insert(connection, table, copies)


def _read(connection: Connection, table: Table, row_id: int) -> dict[str, Any]:
    return dict(connection.execute(select(table).where(table.c.id == row_id)).mappings().one())


def _read_job(connection: Connection, table: Table, train_id: int) -> dict[str, Any]:
    of_training = select(table).where(table.c.kind == "train", table.c.subject_id == train_id)
    return dict(connection.execute(of_training.order_by(table.c.id.desc()).limit(1)).mappings().one())


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> list[int]:
    """Insert rows under new ids, and return the ids."""
    last = connection.scalar(select(func.max(table.c.id))) or 0
    numbered = [{**row, "id": last + number} for number, row in enumerate(rows, start=1)]
    connection.execute(table.insert(), numbered)
    return [row["id"] for row in numbered]
