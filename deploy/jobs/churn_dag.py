"""A DAG of Airflow that scores customers every night, with outrigger on the machine of the worker.

A task that Airflow tries again, or that is killed, goes on where it was: rows that are scored are left out. So `retries` may
be as many as one likes. Exit statuses 2 (the job is wrong) and 4 (too many rejects) fail at once: trying again does not help.
"""
import datetime

from airflow.decorators import dag
from airflow.exceptions import AirflowFailException
from airflow.operators.bash import BashOperator

JOB = "/etc/outrigger/jobs/churn.conf"


class OutriggerBatch(BashOperator):
    """outrigger batch JOB; `rejects` fail the task when there are more of them."""

    FOR_PEOPLE = {2: "the job is wrong", 4: "there were more rejects than may be"}

    def __init__(self, *, job, rejects, config="/etc/outrigger/outrigger.conf", **arguments):
        super().__init__(bash_command=f"outrigger batch {job} --config {config} --max-rejects {rejects} --json", **arguments)

    def execute(self, context):
        try:
            return super().execute(context)  # what it prints last, as XCom: the figures of the run
        except Exception as error:
            for status, meaning in self.FOR_PEOPLE.items():
                if f"exit code {status}" in str(error):
                    raise AirflowFailException(meaning) from error
            raise


@dag(schedule="30 2 * * *", start_date=datetime.datetime(2026, 1, 1), catchup=False, tags=["outrigger"])
def churn():
    OutriggerBatch(task_id="score", job=JOB, rejects=1000, retries=5, retry_delay=datetime.timedelta(minutes=1))


churn()
