-- The views that the queries in this folder read, for DuckDB.
--
--   duckdb -cmd "SET VARIABLE lake = '/srv/lake'" -init duckdb.sql
--
-- Leave out views of records that are not in the lake yet.

CREATE OR REPLACE TEMPORARY VIEW lake_events AS
SELECT * FROM read_parquet(getvariable('lake') || '/record=event/*/*/*.parquet', hive_partitioning = true, union_by_name = true);
CREATE OR REPLACE TEMPORARY VIEW lake_findings AS
SELECT * FROM read_parquet(getvariable('lake') || '/record=finding/*/*/*.parquet', hive_partitioning = true, union_by_name = true);
CREATE OR REPLACE TEMPORARY VIEW lake_matches AS
SELECT * FROM read_parquet(getvariable('lake') || '/record=match/*/*/*.parquet', hive_partitioning = true, union_by_name = true);
CREATE OR REPLACE TEMPORARY VIEW lake_snapshots AS
SELECT * FROM read_parquet(getvariable('lake') || '/record=snapshot/*/*/*.parquet', hive_partitioning = true, union_by_name = true);

-- One row for each event and rule.
CREATE OR REPLACE TEMPORARY VIEW event_rules AS
SELECT source, dt, time, action, client_ip, host, unnest(rule_ids) AS rule_id FROM lake_events;

-- From here on, this file and the one for Spark are the same.

CREATE OR REPLACE TEMPORARY VIEW events AS
SELECT * FROM lake_events;

-- The newest day of each snapshot.
CREATE OR REPLACE TEMPORARY VIEW newest_snapshots AS
SELECT lake_stream, MAX(dt) AS dt FROM lake_snapshots GROUP BY lake_stream;

-- The current findings: those of the newest snapshots, and the newest row for each key of a stream.
CREATE OR REPLACE TEMPORARY VIEW findings AS
SELECT f.*
FROM lake_findings f
JOIN newest_snapshots n ON f.lake_stream = n.lake_stream AND f.dt = n.dt
WHERE f.lake_origin = 'snapshot'
UNION ALL
SELECT f.*
FROM lake_findings f
JOIN (
    SELECT lake_stream, key, MAX(dt) AS dt FROM lake_findings WHERE lake_origin = 'stream' GROUP BY lake_stream, key
) n ON f.lake_stream = n.lake_stream AND f.key = n.key AND f.dt = n.dt
WHERE f.lake_origin = 'stream';

-- The current matches.
CREATE OR REPLACE TEMPORARY VIEW matches AS
SELECT m.*
FROM lake_matches m
JOIN newest_snapshots n ON m.lake_stream = n.lake_stream AND m.dt = n.dt;
