#!/usr/bin/python3
"""Records what pgoutput sends for a .sql file: record.py DSN NAME. The server must be a throw-away one.

NAME.bin   messages: LSN u64, length u32, bytes - big-endian
NAME.facts one line per Relation message, in order: what the source asks the catalogue, as JSON
"""
import json
import pathlib
import re
import struct
import sys

import psycopg2

HERE = pathlib.Path(__file__).parent
SOURCE = HERE.parents[2] / "src/sources/postgres"
FACTS = re.search(r'kFacts = R"\((.*?)\)"', (SOURCE / "catalogue.cc").read_text(), re.S)[1]
SETTINGS = "".join(re.findall(r'"(.*?)"', re.search(r"kSettings =(.*?);", (SOURCE / "connection.cc").read_text(), re.S)[1]))


def relation(message):
    oid, = struct.unpack(">I", message[1:5])
    at = message.index(0, message.index(0, 5) + 1) + 2
    columns, at = [], at + 2
    for _ in range(struct.unpack(">H", message[at - 2:at])[0]):
        end = message.index(0, at + 1)
        columns.append(struct.unpack(">Ii", message[end + 1:end + 9]))
        at = end + 9
    return oid, columns


def main(dsn, name):
    admin = psycopg2.connect(dsn)
    admin.autocommit = True
    sql = admin.cursor()
    sql.execute("DROP DATABASE IF EXISTS recording")
    sql.execute("CREATE DATABASE recording")
    connection = psycopg2.connect(dsn + " dbname=recording", options=SETTINGS)
    connection.autocommit = True
    sql = connection.cursor()
    sql.execute("SET search_path = public")
    text = (HERE / (name + ".sql")).read_text()
    setup, changes = text.split("-- recorded from here\n")
    sql.execute(setup)
    sql.execute("CREATE PUBLICATION p FOR ALL TABLES WITH (publish_via_partition_root = true)")
    sql.execute("SELECT pg_create_logical_replication_slot('recording', 'pgoutput')")
    for statement in filter(str.strip, changes.split(";;\n")):
        sql.execute(statement)
    sql.execute("SET search_path = ''")
    sql.execute("SELECT lsn, data FROM pg_logical_slot_get_binary_changes('recording', NULL, NULL,"
                " 'proto_version', '1', 'publication_names', 'p')")
    with open(HERE / (name + ".bin"), "wb") as out, open(HERE / (name + ".facts"), "w") as facts:
        for lsn, data in sql.fetchall():
            high, low = lsn.split("/")
            data = bytes(data)
            out.write(struct.pack(">QI", int(high, 16) << 32 | int(low, 16), len(data)) + data)
            if data[:1] == b"R":
                oid, columns = relation(data)
                query = FACTS.replace("{{{0}}}", "{%s}" % ",".join(str(c[0]) for c in columns))
                query = query.replace("{{{1}}}", "{%s}" % ",".join(str(c[1]) for c in columns)).replace("{2}", str(oid))
                sql.execute(query.replace("%", "%%"))
                facts.write(json.dumps(sql.fetchone()[0]) + "\n")
    sql.execute("SELECT pg_drop_replication_slot('recording')")


main(*sys.argv[1:])
