#!/usr/bin/python3
"""The script that would otherwise be written: a table is read, scored with scikit-learn's own pickle, written back.

    pandas_table.py PICKLE sqlite:PATH|postgresql://... column|table

column: into the rows, by UPDATE; table: into a table of its own, by to_sql. It is written in its favour: whole frames,
UPDATEs that go to PostgreSQL a thousand at a time, one transaction. Prints one line of JSON.
"""

import datetime
import json
import pickle
import resource
import sys
import time

import pandas
import psycopg2
import psycopg2.extras
import sqlalchemy

SET = "SET prediction = {0}, probability = {0}, model_version = {0}, predicted_at = {0} WHERE id = {0}"


def update(engine, result):
    rows = zip(result.prediction.tolist(), result.probability.tolist(), result.model_version.tolist(),
               result.predicted_at.astype(str).tolist(), result.id.tolist())
    connection = engine.raw_connection()
    cursor = connection.cursor()
    if engine.dialect.name == "sqlite":
        cursor.executemany("UPDATE patients " + SET.format("?"), rows)
    else:
        psycopg2.extras.execute_batch(cursor, "UPDATE patients " + SET.format("%s"), rows, page_size=1000)
    connection.commit()
    connection.close()


def main():
    with open(sys.argv[1], "rb") as file:
        model = pickle.load(file)
    where = sys.argv[2]
    engine = sqlalchemy.create_engine("sqlite:///" + where[len("sqlite:"):] if where.startswith("sqlite:") else
                                      where.replace("postgresql://", "postgresql+psycopg2://", 1))
    begin = time.monotonic()
    frame = pandas.read_sql("SELECT * FROM patients", engine)
    read = time.monotonic()
    features = frame.iloc[:, 1:31].to_numpy()
    probability = model.predict_proba(features)[:, 1]
    result = pandas.DataFrame({"id": frame.id, "prediction": model.predict(features), "probability": probability,
                               "model_version": "1", "predicted_at": datetime.datetime.now(datetime.timezone.utc)})
    scored = time.monotonic()
    if sys.argv[3] == "column":
        update(engine, result)
    else:
        result.to_sql("predictions", engine, index=False, if_exists="append", chunksize=100000)
    written = time.monotonic()
    print(json.dumps({"rows": len(result), "seconds": written - begin, "read_seconds": read - begin,
                      "score_seconds": scored - read, "write_seconds": written - scored,
                      "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
