"""Alarms, the CloudWatch dashboard and the table of camera states."""
