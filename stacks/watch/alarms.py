"""The alarms: which metric, and the number from which on it notifies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from fleet.physical_names import PhysicalNames
from fleet.settings.watch import Alarms

BLIND_AFTER_RUNS = 3
"""The watch itself has failed when this number of runs published nothing."""


@dataclass(frozen=True)
class AlarmRow:
    """One alarm.

    Attributes:
        name: The setting below `watch.alarms`.
        metric: Of the namespace of the fleet.
        statistic: Maximum for what each run counts, Sum for what happened since the former one.
        description: A sentence for the mail's reader.
    """

    name: str
    metric: str
    statistic: str
    description: str


ALARMS = (
    AlarmRow(
        "silent_cameras",
        "SilentCameras",
        "Maximum",
        "Cameras whose state is older than their node promised: node, core or network are away.",
    ),
    AlarmRow("stalled_cameras", "StalledCameras", "Maximum", "Cameras are connected and send no picture."),
    AlarmRow(
        "disconnected_cameras", "DisconnectedCameras", "Maximum", "Cameras cannot be reached by their cores."
    ),
    AlarmRow(
        "not_recording_cameras",
        "NotRecordingCameras",
        "Maximum",
        "Cameras send pictures, and no chunk of them is finished.",
    ),
    AlarmRow(
        "filling_spools",
        "FillingSpools",
        "Maximum",
        "Spools of cores fill: the bucket is away or refuses, or the uplink is too slow.",
    ),
    AlarmRow("lost_chunks", "LostChunks", "Sum", "Chunks were lost before they reached the bucket."),
    AlarmRow(
        "odd_states",
        "OddStates",
        "Maximum",
        "Cores tell what no edgecam tells, or of too many cameras: look who has their certificates.",
    ),
    AlarmRow("unhealthy_cores", "UnhealthyCores", "Maximum", "Cores report a broken component."),
)


class WatchAlarms(Construct):
    """Alarms, and one for a watch that has failed.

    Attributes:
        alarms: All of them, in the order of a dashboard.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: PhysicalNames,
        limits: Alarms,
        every_min: int,
        failed_deployments: str,
        topic_arn: str | None,
    ) -> None:
        """Make the alarms.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            names: Of the fleet.
            limits: The numbers from which on alarms notify.
            every_min: Minutes between two runs.
            failed_deployments: The rule whose matches are failures.
            topic_arn: What is notified, also when all is well again; None for nothing.
        """
        super().__init__(scope, construct_id)
        self._names = names
        self._period_s = 60 * every_min
        self._notified = None if topic_arn is None else [topic_arn]
        self.alarms = [
            *(
                self._alarm(row, threshold)
                for row in ALARMS
                if (threshold := getattr(limits, row.name)) is not None
            ),
            self._blind(),
        ]
        if limits.failed_deployments is not None:
            self.alarms.append(self._failed_deployments(failed_deployments, limits.failed_deployments))

    def arns(self) -> Sequence[str]:
        """Of all alarms."""
        return [alarm.attr_arn for alarm in self.alarms]

    def _alarm(self, row: AlarmRow, threshold: int) -> cloudwatch.CfnAlarm:
        return cloudwatch.CfnAlarm(
            self,
            row.metric,
            alarm_name=self._names.alarm(row.name.replace("_", " ")),
            alarm_description=row.description,
            namespace=self._names.metric_namespace,
            metric_name=row.metric,
            statistic=row.statistic,
            period=self._period_s,
            evaluation_periods=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=threshold,
            # Runs and periods are not in step: one empty period means nothing. Several are the alarm below.
            treat_missing_data="ignore",
            alarm_actions=self._notified,
            ok_actions=self._notified,
        )

    def _blind(self) -> cloudwatch.CfnAlarm:
        return cloudwatch.CfnAlarm(
            self,
            "Blind",
            alarm_name=self._names.alarm("watch is blind"),
            alarm_description="The function that looks at the cameras tells nothing: no other alarm can be "
            "trusted.",
            namespace=self._names.metric_namespace,
            metric_name="Cameras",
            statistic="SampleCount",
            period=self._period_s,
            evaluation_periods=BLIND_AFTER_RUNS,
            comparison_operator="LessThanThreshold",
            threshold=1,
            treat_missing_data="breaching",
            alarm_actions=self._notified,
            ok_actions=self._notified,
        )

    def _failed_deployments(self, rule: str, threshold: int) -> cloudwatch.CfnAlarm:
        return cloudwatch.CfnAlarm(
            self,
            "FailedDeployments",
            alarm_name=self._names.alarm("failed deployments"),
            alarm_description="A deployment failed on cores; the dashboard says which and why.",
            namespace="AWS/Events",
            metric_name="MatchedEvents",
            dimensions=[cloudwatch.CfnAlarm.DimensionProperty(name="RuleName", value=rule)],
            statistic="Sum",
            period=self._period_s,
            evaluation_periods=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=threshold,
            treat_missing_data="notBreaching",
            alarm_actions=self._notified,
            ok_actions=self._notified,
        )
