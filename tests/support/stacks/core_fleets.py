"""Fleets with `cores:` and `watch:`."""

from __future__ import annotations

WATCHED_SITES = """
sites:
  lobby:
    thing_group: lobby-cores
    create_thing_group: true
    aws_iot: {enabled: true}
    cameras:
      - {id: entrance, uri: "rtsp://192.0.2.10/1"}
  yard:
    thing: yard-core
    nucleus: lite
    cameras:
      - {id: yard, uri: "rtsp://192.0.2.30/1"}
  roof:
    thing: roof-core
    nucleus: lite
    cameras:
      - {id: roof, uri: "rtsp://192.0.2.31/1"}
  dock:
    variant: gcs-uploader
    thing: dock-core
    bucket: gs://our-recordings/dock
    aws_iot: {enabled: true}
    spool: {max_bytes: 1000000000}
    cameras:
      - {id: ramp, uri: "rtsp://192.0.2.40/1", recording: {enabled: true, chunk_s: 120}}
"""
"""A group with the first variant, a core with Nucleus Lite, and a core that records."""

CORES = """
cores:
  provisioning:
    things: {lobby-cores: ["lobby-core-*", lobby-door]}
  logs: {retention_days: 14}
"""

WATCH = """
watch: {email: cameras@example.com}
"""

EVERYTHING = WATCHED_SITES + CORES + WATCH

EXISTING_CORES = """
aws: {token_exchange_role: GreengrassV2TokenExchangeRole}
cores:
  provisioning: {role_alias: OurRoleAlias, iot_policy: OurCorePolicy}
  logs: {}
"""
