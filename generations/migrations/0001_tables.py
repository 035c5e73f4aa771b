"""Every table of the product; event tables with the key and the partitioning that the database needs."""

import django.contrib.auth.models
import django.contrib.auth.validators
import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import generations.models.accounts
from generations.partitions import CreateEventTable


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="Project",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("slug", models.SlugField(max_length=80, unique=True)),
                ("name", models.CharField(max_length=200)),
                ("time_zone", models.CharField(default="UTC", max_length=64)),
                ("currency", models.CharField(default="USD", max_length=3)),
                (
                    "retention_days",
                    models.PositiveIntegerField(blank=True, help_text="Empty keeps everything.", null=True),
                ),
                (
                    "keep_generic_spans",
                    models.BooleanField(
                        default=True, help_text="Keep OpenTelemetry spans that are not model calls, as steps."
                    ),
                ),
                ("settings", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "db_table": "project",
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        error_messages={"unique": "A user with that username already exists."},
                        help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                        max_length=150,
                        unique=True,
                        validators=[django.contrib.auth.validators.UnicodeUsernameValidator()],
                        verbose_name="username",
                    ),
                ),
                ("first_name", models.CharField(blank=True, max_length=150, verbose_name="first name")),
                ("last_name", models.CharField(blank=True, max_length=150, verbose_name="last name")),
                ("email", models.EmailField(blank=True, max_length=254, verbose_name="email address")),
                (
                    "is_staff",
                    models.BooleanField(
                        default=False,
                        help_text="Designates whether the user can log into this admin site.",
                        verbose_name="staff status",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                        verbose_name="active",
                    ),
                ),
                ("date_joined", models.DateTimeField(default=django.utils.timezone.now, verbose_name="date joined")),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "db_table": "account",
            },
            managers=[
                ("objects", django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generations.models.accounts.new_uuid, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("prefix", models.CharField(editable=False, max_length=16)),
                ("hash", models.BinaryField(max_length=32, unique=True)),
                (
                    "public_id",
                    models.CharField(blank=True, default="", help_text="User name half of Basic keys.", max_length=40),
                ),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=10), default=list, size=None
                    ),
                ),
                ("environment", models.CharField(blank=True, default="", max_length=40)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="keys", to="generations.project"
                    ),
                ),
            ],
            options={
                "db_table": "api_key",
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="Dataset",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generations.models.accounts.new_uuid, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("description", models.TextField(blank=True, default="")),
                ("type", models.CharField(default="key_value", max_length=20)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("version", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="datasets", to="generations.project"
                    ),
                ),
            ],
            options={
                "db_table": "dataset",
            },
        ),
        migrations.CreateModel(
            name="DatasetItem",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generations.models.accounts.new_uuid, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("key", models.UUIDField(default=generations.models.accounts.new_uuid, editable=False)),
                ("input", models.JSONField(default=dict)),
                ("expected_output", models.JSONField(blank=True, null=True)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("intermediary_steps", models.JSONField(blank=True, null=True)),
                ("generation_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("step_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("added_in", models.PositiveIntegerField(default=1)),
                ("removed_in", models.PositiveIntegerField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "dataset",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="items", to="generations.dataset"
                    ),
                ),
            ],
            options={
                "db_table": "dataset_item",
            },
        ),
        migrations.CreateModel(
            name="Experiment",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generations.models.accounts.new_uuid, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("prompt_version_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("params", models.JSONField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "dataset",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="experiments",
                        to="generations.dataset",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="experiments",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "experiment",
            },
        ),
        migrations.CreateModel(
            name="ExperimentItem",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generations.models.accounts.new_uuid, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "run_id",
                    models.TextField(blank=True, db_collation="C", help_text="The step that ran it.", null=True),
                ),
                ("generation_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("input", models.JSONField(blank=True, null=True)),
                ("output", models.JSONField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "dataset_item",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="results",
                        to="generations.datasetitem",
                    ),
                ),
                (
                    "experiment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="items", to="generations.experiment"
                    ),
                ),
            ],
            options={
                "db_table": "experiment_item",
            },
        ),
        migrations.CreateModel(
            name="PriceOverride",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generations.models.accounts.new_uuid, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("match", models.CharField(help_text="Model id; `*` stands for any characters.", max_length=200)),
                (
                    "provider",
                    models.CharField(blank=True, default="", help_text="Empty: any provider.", max_length=100),
                ),
                ("currency", models.CharField(default="USD", max_length=3)),
                ("input_price", models.DecimalField(blank=True, decimal_places=8, max_digits=18, null=True)),
                ("cached_input_price", models.DecimalField(blank=True, decimal_places=8, max_digits=18, null=True)),
                ("cache_write_price", models.DecimalField(blank=True, decimal_places=8, max_digits=18, null=True)),
                ("output_price", models.DecimalField(blank=True, decimal_places=8, max_digits=18, null=True)),
                ("valid_from", models.DateTimeField(blank=True, null=True)),
                ("valid_to", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="prices", to="generations.project"
                    ),
                ),
            ],
            options={
                "db_table": "price_override",
                "ordering": ["match", "-valid_from"],
            },
        ),
        CreateEventTable(
            name="Participant",
            fields=[
                ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("public_id", models.TextField(db_collation="C")),
                ("identifier", models.TextField(db_collation="C")),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "participant",
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("viewer", "Viewer: read"),
                            ("member", "Member: read, score, tag, build datasets"),
                            ("admin", "Admin: also keys, members, prices, retention"),
                            ("owner", "Owner: also delete the project"),
                        ],
                        default="member",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "membership",
            },
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generations.models.accounts.new_uuid, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("export", "Export"),
                            ("import", "Import"),
                            ("bulk", "Bulk"),
                            ("reprice", "Reprice"),
                            ("evaluation", "Evaluation"),
                            ("retention", "Retention"),
                            ("erasure", "Erasure"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                            ("expired", "Expired"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("parameters", models.JSONField(blank=True, default=dict)),
                ("result", models.JSONField(blank=True, default=dict)),
                ("error", models.TextField(blank=True, default="")),
                ("progress_done", models.BigIntegerField(default=0)),
                ("progress_total", models.BigIntegerField(blank=True, null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("max_attempts", models.PositiveIntegerField(default=3)),
                ("leased_until", models.DateTimeField(blank=True, null=True)),
                ("leased_by", models.CharField(blank=True, default="", max_length=100)),
                ("cancel_requested_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "created_by_key",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="generations.apikey",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="jobs", to="generations.project"
                    ),
                ),
            ],
            options={
                "db_table": "job",
            },
        ),
        migrations.CreateModel(
            name="IngestReject",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generations.models.accounts.new_uuid, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("door", models.CharField(max_length=40)),
                ("reason", models.TextField()),
                ("index", models.IntegerField(blank=True, null=True)),
                ("record_id", models.TextField(blank=True, null=True)),
                ("body", models.BinaryField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="rejects", to="generations.project"
                    ),
                ),
            ],
            options={
                "db_table": "ingest_reject",
            },
        ),
        CreateEventTable(
            name="GenerationSearch",
            fields=[
                ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("started_at", models.DateTimeField()),
                ("text", models.TextField(default="")),
                ("words", django.contrib.postgres.search.SearchVectorField(null=True)),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "generation_search",
            },
        ),
        CreateEventTable(
            name="GenerationPayload",
            fields=[
                ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("started_at", models.DateTimeField()),
                ("input", models.JSONField(blank=True, null=True)),
                ("output", models.JSONField(blank=True, null=True)),
                ("messages", models.JSONField(blank=True, null=True)),
                ("message_completion", models.JSONField(blank=True, null=True)),
                ("prompt", models.TextField(blank=True, null=True)),
                ("completion", models.TextField(blank=True, null=True)),
                ("variables", models.JSONField(blank=True, null=True)),
                ("tools", models.JSONField(blank=True, null=True)),
                ("logprobs", models.JSONField(blank=True, null=True)),
                ("attributes", models.JSONField(blank=True, null=True)),
                ("error_detail", models.TextField(blank=True, null=True)),
                ("cost_arithmetic", models.JSONField(blank=True, null=True)),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "generation_payload",
            },
        ),
        CreateEventTable(
            name="Generation",
            fields=[
                ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("public_id", models.TextField(db_collation="C")),
                ("type", models.TextField(db_collation="C", default="chat")),
                ("name", models.TextField(blank=True, db_collation="C", null=True)),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("model_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("model_name", models.TextField(blank=True, db_collation="C", null=True)),
                ("model_version", models.TextField(blank=True, db_collation="C", null=True)),
                ("provider", models.TextField(blank=True, db_collation="C", null=True)),
                ("input_type", models.TextField(db_collation="C", default="text")),
                ("output_type", models.TextField(db_collation="C", default="text")),
                ("error", models.TextField(blank=True, null=True)),
                ("error_type", models.TextField(blank=True, db_collation="C", null=True)),
                ("finish_reason", models.TextField(blank=True, db_collation="C", null=True)),
                ("prompt_tokens", models.IntegerField(blank=True, help_text="Gross, of which cached.", null=True)),
                (
                    "completion_tokens",
                    models.IntegerField(blank=True, help_text="Gross, of which reasoning.", null=True),
                ),
                ("total_tokens", models.IntegerField(blank=True, null=True)),
                ("cached_tokens", models.IntegerField(blank=True, null=True)),
                ("cache_write_tokens", models.IntegerField(blank=True, null=True)),
                ("reasoning_tokens", models.IntegerField(blank=True, null=True)),
                ("input_audio_tokens", models.IntegerField(blank=True, null=True)),
                ("output_audio_tokens", models.IntegerField(blank=True, null=True)),
                ("tokens_estimated", models.BooleanField(blank=True, null=True)),
                ("cost", models.DecimalField(blank=True, decimal_places=12, max_digits=24, null=True)),
                ("input_cost", models.DecimalField(blank=True, decimal_places=12, max_digits=24, null=True)),
                ("output_cost", models.DecimalField(blank=True, decimal_places=12, max_digits=24, null=True)),
                ("currency", models.TextField(blank=True, db_collation="C", null=True)),
                ("cost_source", models.TextField(blank=True, db_collation="C", null=True)),
                ("latency", models.FloatField(blank=True, help_text="Seconds.", null=True)),
                ("time_to_first_token", models.FloatField(blank=True, help_text="Seconds.", null=True)),
                ("tokens_per_second", models.FloatField(blank=True, null=True)),
                ("environment", models.TextField(blank=True, db_collation="C", null=True)),
                ("release", models.TextField(blank=True, db_collation="C", null=True)),
                ("user_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("session_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("request_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("function_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("workflow_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("agent_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("thread_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("step_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("trace_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("span_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("response_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("prompt_name", models.TextField(blank=True, db_collation="C", null=True)),
                ("prompt_version", models.IntegerField(blank=True, null=True)),
                ("prompt_version_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("selected_choice", models.IntegerField(blank=True, null=True)),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("parameters", models.JSONField(blank=True, default=dict)),
                ("request_attributes", models.JSONField(blank=True, null=True)),
                ("response_attributes", models.JSONField(blank=True, null=True)),
                ("input_preview", models.TextField(blank=True, null=True)),
                ("output_preview", models.TextField(blank=True, null=True)),
                (
                    "start_assumed",
                    models.BooleanField(
                        default=False, help_text="No start was given yet: a record that brings it may."
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "generation",
            },
        ),
        CreateEventTable(
            name="Feedback",
            fields=[
                ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("public_id", models.TextField(db_collation="C")),
                ("generation_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("step_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("rating", models.FloatField(blank=True, null=True)),
                ("thumbs", models.TextField(blank=True, db_collation="C", null=True)),
                ("comment", models.TextField(blank=True, null=True)),
                (
                    "categories",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                ("user_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                ("is_latest", models.BooleanField(default=True)),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "feedback",
                "db_table": "feedback",
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generations.models.accounts.new_uuid, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("actor", models.CharField(default="", help_text="As it was called then.", max_length=250)),
                ("action", models.CharField(max_length=60)),
                ("subject_kind", models.CharField(blank=True, default="", max_length=40)),
                ("subject_id", models.CharField(blank=True, default="", max_length=512)),
                ("detail", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "key",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="generations.apikey",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="audit",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "audit entries",
                "db_table": "audit_entry",
            },
        ),
        CreateEventTable(
            name="Attachment",
            fields=[
                ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("public_id", models.TextField(db_collation="C")),
                ("name", models.TextField(blank=True, db_collation="C", null=True)),
                ("mime", models.TextField(blank=True, db_collation="C", null=True)),
                ("size", models.BigIntegerField(blank=True, null=True)),
                ("sha256", models.TextField(blank=True, db_collation="C", null=True)),
                ("storage_key", models.TextField(blank=True, db_collation="C", null=True)),
                ("url", models.TextField(blank=True, null=True)),
                ("step_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("generation_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("thread_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "attachment",
            },
        ),
        CreateEventTable(
            name="Alternative",
            fields=[
                ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("started_at", models.DateTimeField()),
                ("generation_uid", models.UUIDField()),
                ("index", models.IntegerField()),
                ("kind", models.TextField(db_collation="C", default="choice")),
                ("content", models.JSONField(blank=True, null=True)),
                ("tokens", models.IntegerField(blank=True, null=True)),
                ("score", models.FloatField(blank=True, null=True)),
                ("finish_reason", models.TextField(blank=True, db_collation="C", null=True)),
                ("logprobs", models.JSONField(blank=True, null=True)),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "alternative",
            },
        ),
        migrations.CreateModel(
            name="Prompt",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generations.models.accounts.new_uuid, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("description", models.TextField(blank=True, default="")),
                ("type", models.CharField(default="chat", max_length=20)),
                ("rollout", models.JSONField(blank=True, default=list)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("deleted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="prompts", to="generations.project"
                    ),
                ),
            ],
            options={
                "db_table": "prompt",
            },
        ),
        CreateEventTable(
            name="PromptVersion",
            fields=[
                ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("public_id", models.TextField(db_collation="C")),
                ("prompt_uid", models.UUIDField()),
                ("version", models.IntegerField()),
                ("content_hash", models.BinaryField(max_length=16)),
                ("template_messages", models.JSONField(blank=True, null=True)),
                ("template", models.TextField(blank=True, null=True)),
                ("inputs", models.JSONField(blank=True, default=list)),
                ("input_defaults", models.JSONField(blank=True, default=dict)),
                ("model_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("provider", models.TextField(blank=True, db_collation="C", null=True)),
                ("settings", models.JSONField(blank=True, default=dict)),
                ("tools", models.JSONField(blank=True, null=True)),
                ("description", models.TextField(blank=True, default="")),
                (
                    "labels",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "prompt_version",
            },
        ),
        migrations.CreateModel(
            name="ProviderCredential",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generations.models.accounts.new_uuid, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("provider", models.CharField(max_length=60)),
                ("name", models.CharField(max_length=120)),
                ("endpoint", models.URLField(blank=True, default="")),
                ("secret", models.BinaryField()),
                ("options", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="credentials",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "provider_credential",
            },
        ),
        CreateEventTable(
            name="RollupDay",
            fields=[
                ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("bucket", models.DateTimeField()),
                ("model_id", models.TextField(db_collation="C", default="")),
                ("provider", models.TextField(db_collation="C", default="")),
                ("environment", models.TextField(db_collation="C", default="")),
                ("count", models.BigIntegerField(default=0)),
                ("errors", models.BigIntegerField(default=0)),
                ("prompt_tokens", models.BigIntegerField(null=True)),
                ("completion_tokens", models.BigIntegerField(null=True)),
                ("total_tokens", models.BigIntegerField(null=True)),
                ("cached_tokens", models.BigIntegerField(null=True)),
                ("reasoning_tokens", models.BigIntegerField(null=True)),
                ("costs", models.JSONField(default=dict)),
                ("cost_count", models.BigIntegerField(default=0)),
                ("latency_sum", models.FloatField(default=0)),
                ("latency_count", models.BigIntegerField(default=0)),
                (
                    "latency_buckets",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                (
                    "latency_counts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                ("first_token_sum", models.FloatField(default=0)),
                ("first_token_count", models.BigIntegerField(default=0)),
                (
                    "first_token_buckets",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                (
                    "first_token_counts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                ("speed_sum", models.FloatField(default=0)),
                ("speed_count", models.BigIntegerField(default=0)),
                (
                    "speed_buckets",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                (
                    "speed_counts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                (
                    "cost_buckets",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                (
                    "cost_counts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "rollup_day",
            },
        ),
        CreateEventTable(
            name="RollupDirty",
            fields=[
                ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("bucket", models.DateTimeField()),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "rollup_dirty",
            },
        ),
        CreateEventTable(
            name="RollupHour",
            fields=[
                ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("bucket", models.DateTimeField()),
                ("model_id", models.TextField(db_collation="C", default="")),
                ("provider", models.TextField(db_collation="C", default="")),
                ("environment", models.TextField(db_collation="C", default="")),
                ("count", models.BigIntegerField(default=0)),
                ("errors", models.BigIntegerField(default=0)),
                ("prompt_tokens", models.BigIntegerField(null=True)),
                ("completion_tokens", models.BigIntegerField(null=True)),
                ("total_tokens", models.BigIntegerField(null=True)),
                ("cached_tokens", models.BigIntegerField(null=True)),
                ("reasoning_tokens", models.BigIntegerField(null=True)),
                ("costs", models.JSONField(default=dict)),
                ("cost_count", models.BigIntegerField(default=0)),
                ("latency_sum", models.FloatField(default=0)),
                ("latency_count", models.BigIntegerField(default=0)),
                (
                    "latency_buckets",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                (
                    "latency_counts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                ("first_token_sum", models.FloatField(default=0)),
                ("first_token_count", models.BigIntegerField(default=0)),
                (
                    "first_token_buckets",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                (
                    "first_token_counts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                ("speed_sum", models.FloatField(default=0)),
                ("speed_count", models.BigIntegerField(default=0)),
                (
                    "speed_buckets",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                (
                    "speed_counts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                (
                    "cost_buckets",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                (
                    "cost_counts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "rollup_hour",
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generations.models.accounts.new_uuid, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(default="generations", help_text="The list that it is a view of.", max_length=20),
                ),
                ("name", models.CharField(max_length=120)),
                ("filter", models.JSONField(blank=True, default=dict)),
                ("order", models.CharField(blank=True, default="", max_length=80)),
                ("columns", models.JSONField(blank=True, default=list)),
                ("is_shared", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="views", to="generations.project"
                    ),
                ),
            ],
            options={
                "db_table": "saved_view",
            },
        ),
        CreateEventTable(
            name="Score",
            fields=[
                ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("public_id", models.TextField(db_collation="C")),
                ("name", models.TextField(db_collation="C")),
                ("type", models.TextField(db_collation="C", default="HUMAN")),
                ("value", models.FloatField(blank=True, null=True)),
                ("label", models.TextField(blank=True, db_collation="C", null=True)),
                ("comment", models.TextField(blank=True, null=True)),
                ("author", models.TextField(blank=True, db_collation="C", null=True)),
                ("generation_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("step_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("thread_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("experiment_item_id", models.TextField(blank=True, db_collation="C", null=True)),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "score",
            },
        ),
        migrations.CreateModel(
            name="ScoreSchema",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generations.models.accounts.new_uuid, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("description", models.TextField(blank=True, default="")),
                ("minimum", models.FloatField(blank=True, null=True)),
                ("maximum", models.FloatField(blank=True, null=True)),
                ("categories", models.JSONField(blank=True, default=list)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="score_schemas",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "score_schema",
            },
        ),
        CreateEventTable(
            name="Step",
            fields=[
                ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("public_id", models.TextField(db_collation="C")),
                ("type", models.TextField(db_collation="C", default="undefined")),
                ("name", models.TextField(blank=True, db_collation="C", null=True)),
                ("thread_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("parent_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("root_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("latency", models.FloatField(blank=True, help_text="Seconds.", null=True)),
                ("error", models.TextField(blank=True, null=True)),
                ("user_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("environment", models.TextField(blank=True, db_collation="C", null=True)),
                ("release", models.TextField(blank=True, db_collation="C", null=True)),
                ("trace_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("span_id", models.TextField(blank=True, db_collation="C", null=True)),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("input_preview", models.TextField(blank=True, null=True)),
                ("output_preview", models.TextField(blank=True, null=True)),
                (
                    "start_assumed",
                    models.BooleanField(
                        default=False, help_text="No start was given yet: a record that brings it may."
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "step",
            },
        ),
        CreateEventTable(
            name="StepPayload",
            fields=[
                ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("started_at", models.DateTimeField()),
                ("input", models.JSONField(blank=True, null=True)),
                ("output", models.JSONField(blank=True, null=True)),
                ("attributes", models.JSONField(blank=True, null=True)),
                ("events", models.JSONField(blank=True, null=True)),
                ("error_detail", models.TextField(blank=True, null=True)),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "step_payload",
            },
        ),
        migrations.CreateModel(
            name="Tag",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.TextField(db_collation="C")),
                ("colour", models.CharField(blank=True, default="", max_length=20)),
                ("description", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="tags", to="generations.project"
                    ),
                ),
            ],
            options={
                "db_table": "tag",
                "ordering": ["name"],
            },
        ),
        CreateEventTable(
            name="Thread",
            fields=[
                ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("public_id", models.TextField(db_collation="C")),
                ("name", models.TextField(blank=True, db_collation="C", null=True)),
                ("user_id", models.TextField(blank=True, db_collation="C", null=True)),
                ("environment", models.TextField(blank=True, db_collation="C", null=True)),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("started_at", models.DateTimeField()),
                ("last_activity_at", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="generations.project",
                    ),
                ),
            ],
            options={
                "db_table": "thread",
            },
        ),
        migrations.AddIndex(
            model_name="datasetitem",
            index=models.Index(fields=["dataset", "-created_at", "-id"], name="dataset_item_list"),
        ),
        migrations.AddIndex(
            model_name="datasetitem",
            index=models.Index(
                condition=models.Q(("generation_id__isnull", False)),
                fields=["generation_id"],
                name="dataset_item_generation",
            ),
        ),
        migrations.AddIndex(
            model_name="experimentitem",
            index=models.Index(fields=["experiment", "-created_at", "-id"], name="experiment_item_list"),
        ),
        migrations.AddConstraint(
            model_name="priceoverride",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("valid_to__isnull", True),
                    ("valid_from__isnull", True),
                    ("valid_to__gt", models.F("valid_from")),
                    _connector="OR",
                ),
                name="price_override_period",
            ),
        ),
        migrations.AddIndex(
            model_name="participant",
            index=models.Index(fields=["project", "-last_seen_at", "-uid"], name="participant_list"),
        ),
        migrations.AddIndex(
            model_name="participant",
            index=models.Index(fields=["project", "identifier"], name="participant_identifier"),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.UniqueConstraint(fields=("project", "user"), name="membership_once"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["project", "kind", "-created_at", "-id"], name="job_list"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state__in", ["queued", "running"])), fields=["leased_until"], name="job_open"
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(condition=models.Q(("state", "done")), fields=["expires_at"], name="job_expiry"),
        ),
        migrations.AddIndex(
            model_name="ingestreject",
            index=models.Index(fields=["project", "-created_at", "-id"], name="ingest_reject_list"),
        ),
        migrations.AddIndex(
            model_name="generationsearch",
            index=models.Index(fields=["project", "-started_at", "-uid"], name="generation_search_list"),
        ),
        migrations.AddIndex(
            model_name="generation",
            index=models.Index(fields=["project", "-started_at", "-uid"], name="generation_list"),
        ),
        migrations.AddIndex(
            model_name="generation",
            index=models.Index(
                condition=models.Q(("user_id__isnull", False)),
                fields=["project", "user_id", "-started_at"],
                name="generation_user",
            ),
        ),
        migrations.AddIndex(
            model_name="generation",
            index=models.Index(
                condition=models.Q(("thread_id__isnull", False)),
                fields=["project", "thread_id", "started_at"],
                name="generation_thread",
            ),
        ),
        migrations.AddIndex(
            model_name="generation",
            index=models.Index(
                condition=models.Q(("step_id__isnull", False)),
                fields=["project", "step_id", "started_at"],
                name="generation_step",
            ),
        ),
        migrations.AddIndex(
            model_name="generation",
            index=models.Index(
                condition=models.Q(("trace_id__isnull", False)),
                fields=["project", "trace_id", "started_at"],
                name="generation_trace",
            ),
        ),
        migrations.AddIndex(
            model_name="generation",
            index=models.Index(
                condition=models.Q(("response_id__isnull", False)),
                fields=["project", "response_id"],
                name="generation_response",
            ),
        ),
        migrations.AddIndex(
            model_name="generation",
            index=models.Index(
                condition=models.Q(("error__isnull", False)),
                fields=["project", "-started_at", "-uid"],
                name="generation_failed",
            ),
        ),
        migrations.AddIndex(
            model_name="generation",
            index=models.Index(fields=["project", "model_id", "-started_at", "-uid"], name="generation_model"),
        ),
        migrations.AddIndex(
            model_name="generation",
            index=django.contrib.postgres.indexes.GinIndex(fields=["tags"], name="generation_tags"),
        ),
        migrations.AddIndex(
            model_name="generation",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["metadata"], name="generation_metadata", opclasses=["jsonb_path_ops"]
            ),
        ),
        migrations.AddIndex(
            model_name="feedback",
            index=models.Index(fields=["project", "generation_id", "-created_at"], name="feedback_generation"),
        ),
        migrations.AddIndex(
            model_name="feedback",
            index=models.Index(
                condition=models.Q(("is_latest", True), ("rating__isnull", False)),
                fields=["project", "rating"],
                name="feedback_rating",
            ),
        ),
        migrations.AddIndex(
            model_name="feedback",
            index=models.Index(
                condition=models.Q(("is_latest", True), ("thumbs__isnull", False)),
                fields=["project", "thumbs"],
                name="feedback_thumbs",
            ),
        ),
        migrations.AddIndex(
            model_name="feedback",
            index=models.Index(fields=["project", "-created_at", "-uid"], name="feedback_list"),
        ),
        migrations.AddIndex(
            model_name="experiment",
            index=models.Index(fields=["project", "-created_at", "-id"], name="experiment_list"),
        ),
        migrations.AddIndex(
            model_name="dataset",
            index=models.Index(fields=["project", "-created_at", "-id"], name="dataset_list"),
        ),
        migrations.AddConstraint(
            model_name="dataset",
            constraint=models.UniqueConstraint(fields=("project", "name"), name="dataset_name"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["project", "-created_at", "-id"], name="audit_by_time"),
        ),
        migrations.AddIndex(
            model_name="attachment",
            index=models.Index(
                condition=models.Q(("step_id__isnull", False)), fields=["project", "step_id"], name="attachment_step"
            ),
        ),
        migrations.AddIndex(
            model_name="attachment",
            index=models.Index(
                condition=models.Q(("generation_id__isnull", False)),
                fields=["project", "generation_id"],
                name="attachment_generation",
            ),
        ),
        migrations.AddIndex(
            model_name="attachment",
            index=models.Index(
                condition=models.Q(("thread_id__isnull", False)),
                fields=["project", "thread_id"],
                name="attachment_thread",
            ),
        ),
        migrations.AddIndex(
            model_name="attachment",
            index=models.Index(fields=["project", "-created_at", "-uid"], name="attachment_list"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["project", "-created_at"], name="api_key_by_project"),
        ),
        migrations.AddIndex(
            model_name="alternative",
            index=models.Index(fields=["project", "generation_uid", "index"], name="alternative_order"),
        ),
        migrations.AddConstraint(
            model_name="prompt",
            constraint=models.UniqueConstraint(fields=("project", "name"), name="prompt_name"),
        ),
        migrations.AddIndex(
            model_name="promptversion",
            index=models.Index(fields=["project", "prompt_uid", "content_hash"], name="prompt_version_content"),
        ),
        migrations.AddConstraint(
            model_name="promptversion",
            constraint=models.UniqueConstraint(
                fields=("project", "prompt_uid", "version"), name="prompt_version_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="providercredential",
            constraint=models.UniqueConstraint(fields=("project", "provider", "name"), name="credential_name"),
        ),
        migrations.AddIndex(
            model_name="rollupday",
            index=models.Index(fields=["project", "bucket"], name="rollup_day_bucket"),
        ),
        migrations.AddIndex(
            model_name="rollupdirty",
            index=models.Index(fields=["project", "bucket"], name="rollup_dirty_bucket"),
        ),
        migrations.AddIndex(
            model_name="rolluphour",
            index=models.Index(fields=["project", "bucket"], name="rollup_hour_bucket"),
        ),
        migrations.AddConstraint(
            model_name="savedview",
            constraint=models.UniqueConstraint(fields=("project", "kind", "name"), name="saved_view_name"),
        ),
        migrations.AddIndex(
            model_name="score",
            index=models.Index(fields=["project", "-created_at", "-uid"], name="score_list"),
        ),
        migrations.AddIndex(
            model_name="score",
            index=models.Index(
                condition=models.Q(("generation_id__isnull", False)),
                fields=["project", "generation_id", "name"],
                name="score_generation",
            ),
        ),
        migrations.AddIndex(
            model_name="score",
            index=models.Index(
                condition=models.Q(("step_id__isnull", False)), fields=["project", "step_id"], name="score_step"
            ),
        ),
        migrations.AddIndex(
            model_name="score",
            index=models.Index(
                condition=models.Q(("thread_id__isnull", False)), fields=["project", "thread_id"], name="score_thread"
            ),
        ),
        migrations.AddIndex(
            model_name="score",
            index=models.Index(
                condition=models.Q(("experiment_item_id__isnull", False)),
                fields=["project", "experiment_item_id"],
                name="score_item",
            ),
        ),
        migrations.AddIndex(
            model_name="score",
            index=models.Index(fields=["project", "name", "value"], name="score_name"),
        ),
        migrations.AddConstraint(
            model_name="scoreschema",
            constraint=models.UniqueConstraint(fields=("project", "name"), name="score_schema_name"),
        ),
        migrations.AddIndex(
            model_name="step",
            index=models.Index(fields=["project", "-started_at", "-uid"], name="step_list"),
        ),
        migrations.AddIndex(
            model_name="step",
            index=models.Index(
                condition=models.Q(("thread_id__isnull", False)),
                fields=["project", "thread_id", "started_at"],
                name="step_thread",
            ),
        ),
        migrations.AddIndex(
            model_name="step",
            index=models.Index(
                condition=models.Q(("parent_id__isnull", False)),
                fields=["project", "parent_id", "started_at"],
                name="step_parent",
            ),
        ),
        migrations.AddIndex(
            model_name="step",
            index=models.Index(
                condition=models.Q(("trace_id__isnull", False)),
                fields=["project", "trace_id", "started_at"],
                name="step_trace",
            ),
        ),
        migrations.AddIndex(
            model_name="step",
            index=models.Index(
                condition=models.Q(("user_id__isnull", False)),
                fields=["project", "user_id", "-started_at"],
                name="step_user",
            ),
        ),
        migrations.AddIndex(
            model_name="step",
            index=django.contrib.postgres.indexes.GinIndex(fields=["tags"], name="step_tags"),
        ),
        migrations.AddIndex(
            model_name="step",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["metadata"], name="step_metadata", opclasses=["jsonb_path_ops"]
            ),
        ),
        migrations.AddConstraint(
            model_name="tag",
            constraint=models.UniqueConstraint(fields=("project", "name"), name="tag_name"),
        ),
        migrations.AddIndex(
            model_name="thread",
            index=models.Index(fields=["project", "-last_activity_at", "-uid"], name="thread_list"),
        ),
        migrations.AddIndex(
            model_name="thread",
            index=models.Index(fields=["project", "-started_at", "-uid"], name="thread_by_start"),
        ),
        migrations.AddIndex(
            model_name="thread",
            index=models.Index(
                condition=models.Q(("user_id__isnull", False)),
                fields=["project", "user_id", "-last_activity_at"],
                name="thread_user",
            ),
        ),
        migrations.AddIndex(
            model_name="thread",
            index=django.contrib.postgres.indexes.GinIndex(fields=["tags"], name="thread_tags"),
        ),
        migrations.AddIndex(
            model_name="thread",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["metadata"], name="thread_metadata", opclasses=["jsonb_path_ops"]
            ),
        ),
    ]
