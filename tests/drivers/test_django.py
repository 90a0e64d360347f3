"""Django: its models, what it asks of catalogs, and how its tables change, by its own backend and by AWS's adapter.

Django is set up once per process, so each of these runs in a pytest of its own.
"""

from pathlib import Path

import pytest

from tests.documented import passes

pytestmark = pytest.mark.slow

SETUP = """
import uuid

import django
import pytest
from django.conf import settings
from django.db import (
    IntegrityError, NotSupportedError, OperationalError, connection, models, transaction
)

@pytest.fixture(scope="session")
def cluster(dsql_server):
    made = dsql_server.new_cluster()
    settings.configure(DATABASES={"default": {"ENGINE": ENGINE, **made.django}}, USE_TZ=True)
    django.setup()

    global Account, Entry

    class Account(models.Model):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)
        name = models.CharField(max_length=40, UNIQUE)
        balance = models.IntegerField()
        opened = models.DateTimeField(auto_now_add=True)
        more = models.JSONField(default=dict)

        class Meta:
            app_label = "bank"

    class Entry(models.Model):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)
        account = models.ForeignKey(Account, on_delete=models.CASCADE, db_index=False)
        amount = models.DecimalField(max_digits=12, decimal_places=2)

        class Meta:
            app_label = "bank"

    for model in (Account, Entry):
        if ENGINE == "aurora_dsql_django" or model is Account:
            with connection.schema_editor(atomic=False) as editor:
                editor.create_model(model)
    yield made
    connection.close()

def test_queries(cluster):
    ann = Account.objects.create(name="Ann", balance=3, more={"a": [1, None]})
    Account.objects.bulk_create(Account(name=f"n{n}", balance=n) for n in range(300))
    assert Account.objects.get(name__icontains="ANN").more == {"a": [1, None]}
    assert Account.objects.aggregate(models.Sum("balance"))["balance__sum"] == 3 + sum(range(300))
    assert Account.objects.filter(balance__in=[1, 2], name__startswith="n").update(balance=models.F("balance") + 1) == 2
    found = Account.objects.values("balance").annotate(n=models.Count("*")).filter(n__gt=1).order_by("balance")
    assert [each["balance"] for each in found] == [3]
    assert list(Account.objects.filter(opened__year__gt=2000).order_by("-name")[:1].values_list("name")) == [("n99",)]
    with transaction.atomic():
        locked = Account.objects.select_for_update().get(pk=ann.pk)
        locked.balance = 4
        locked.save()
    account, made = Account.objects.update_or_create(pk=ann.pk, defaults={"balance": 5})
    assert (account.balance, made) == (5, False)
    assert [each.balance for each in Account.objects.filter(name="Ann").iterator()] == [5]

def test_a_lost_commit_is_an_operational_error(cluster):
    cluster.inject("OC000", table_name="bank_account")
    with pytest.raises(OperationalError) as caught, transaction.atomic():
        Account.objects.create(name="lost", balance=0)
    assert caught.value.__cause__.sqlstate == "40001"
    assert not Account.objects.filter(name="lost").exists()

def test_catalogs(cluster):
    with connection.cursor() as cursor:
        described = connection.introspection.get_table_description(cursor, "bank_account")
        found = connection.introspection.get_constraints(cursor, "bank_account")
    assert [(each.name, each.null_ok) for each in described] == [
        ("id", False), ("name", False), ("balance", False), ("opened", False), ("more", False)
    ]
    assert found["bank_account_pkey"]["primary_key"]
    assert connection.pg_version >= 160000
"""
OWN = """
def test_savepoints_are_refused(cluster):
    with pytest.raises(NotSupportedError, match="unsupported transaction statement: SAVEPOINT"):
        with transaction.atomic(), transaction.atomic():
            pass
    with transaction.atomic(), transaction.atomic(savepoint=False):
        assert Account.objects.count()
"""
AWS = """
@pytest.fixture(scope="session", autouse=True)
def access_key():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "any")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "any")
        yield

def test_foreign_keys(cluster):
    ann = Account.objects.create(name="Ann's", balance=3)
    Entry.objects.create(account=ann, amount="1.50")
    assert [str(each.amount) for each in Entry.objects.filter(account__name="Ann's").select_related()] == ["1.50"]
    with pytest.raises(IntegrityError, match="duplicate key value violates unique constraint"):
        Account.objects.create(name="Ann's", balance=3)
    with pytest.raises(IntegrityError, match="is still referenced from table"):
        ann.delete()

def test_tables_change(cluster):

    note = models.TextField(null=True)
    note.set_attributes_from_name("note")
    with connection.schema_editor(atomic=False) as editor:
        editor.add_field(Account, note)
    with connection.schema_editor(atomic=False) as editor:
        editor.add_index(Account, models.Index(fields=["balance"], name="by_balance"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT job_id FROM sys.jobs WHERE job_type = 'INDEX_BUILD' AND object_name LIKE '%by_balance'")
        cursor.execute("CALL sys.wait_for_job(%s)", cursor.fetchone())
        assert cursor.fetchone() == (True,)
        assert connection.introspection.get_constraints(cursor, "bank_account")["by_balance"]["columns"] == ["balance"]
    with connection.schema_editor(atomic=False) as editor:
        editor.remove_field(Account, note)
    with connection.cursor() as cursor:
        names = [each.name for each in connection.introspection.get_table_description(cursor, "bank_account")]
    assert names == ["id", "name", "balance", "opened", "more"]
"""


def test_its_own_backend(tmp_path: Path) -> None:
    """What it makes of unique texts and of foreign keys DSQL does not take: the models have none."""
    passes(tmp_path, 'ENGINE = "django.db.backends.postgresql"\n' + SETUP.replace("UNIQUE", "") + OWN)


def test_the_adapter_of_aws(tmp_path: Path) -> None:
    passes(tmp_path, 'ENGINE = "aurora_dsql_django"\n' + SETUP.replace("UNIQUE", "unique=True") + AWS)
