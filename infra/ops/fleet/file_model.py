"""The model of fleet.yaml: every field, with the bounds of Salad's API. Plain data."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

MAX_REPLICAS = 500  # of one group, a limit of Salad's API
DAY_SEC = 86_400
MIB = 1024 * 1024

# The country codes that Salad's API takes, as its OpenAPI file lists them.
_CODES = """
af al dz as ad ao ai aq ag ar am aw au at az bs bh bd bb by be bz bj bm bt bo bq ba bw bv br io bn bg bf bi cv
kh cm ca ky cf td cl cn cx cc co km cd cg ck cr hr cu cw cy cz ci dk dj dm do ec eg sv gq er ee sz et fk fo fj
fi fr gf pf tf ga gm ge de gh gi gr gl gd gp gu gt gg gn gw gy ht hm va hn hk hu is in id ir iq ie im il it jm
jp je jo kz ke ki kp kr kw kg la lv lb ls lr ly li lt lu mo mg mw my mv ml mt mh mq mr mu yt mx fm md mc mn me
ms ma mz mm na nr np nl nc nz ni ne ng nu nf mp no om pk pw ps pa pg py pe ph pn pl pt pr qa mk ro ru rw re bl
sh kn lc mf pm vc ws sm st sa sn rs sc sl sg sx sk si sb so za gs ss es lk sd sr sj se ch sy tw tj tz th tl tg
tk to tt tn tr tm tc tv ug ua ae gb um us uy uz vu ve vn vg vi wf eh ye zm zw ax
"""
COUNTRIES = frozenset(_CODES.split())

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,61}[a-z0-9]$")]
DisplayName = Annotated[str, Field(pattern=r"^[ ,-.0-9A-Za-z]{2,63}$")]
Line = Annotated[str, Field(pattern=r"^[^\r\n]+$", max_length=1000)]
Port = Annotated[int, Field(ge=1, le=65535)]
HttpPath = Annotated[str, Field(pattern=r"^/[^\s]*$", max_length=1024)]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=256)]


class Strict(BaseModel):
    """A mapping that refuses unknown fields and does not convert values to another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SecretReference(Strict):
    """The place of a secret: `env:NAME` in the command's environment, or `file:/path`."""

    secret: Annotated[str, Field(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$")]


# The angle brackets distinguish the tags from the names in the file, which stand beside them in the place of a fault.
REFERENCE_TAG, LINE_TAG = "<reference>", "<text>"


def _kind(value: Any) -> str:
    return REFERENCE_TAG if isinstance(value, dict | SecretReference) else LINE_TAG


Value = Annotated[Annotated[SecretReference, Tag(REFERENCE_TAG)] | Annotated[Line, Tag(LINE_TAG)], Discriminator(_kind)]


class BasicCredentials(Strict):
    """A registry's user and password."""

    username: Value
    password: SecretReference


class DockerHubCredentials(Strict):
    """A user of Docker Hub and an access token."""

    username: Value
    personal_access_token: SecretReference


class ServiceKeyCredentials(Strict):
    """The JSON key of a Google service account that may read the registry."""

    service_key: SecretReference


class AwsCredentials(Strict):
    """An AWS key that may read the registry."""

    access_key_id: Value
    secret_access_key: SecretReference


class RegistryCredentials(Strict):
    """The credentials for a private image: exactly one kind, named as in Salad's API."""

    basic: BasicCredentials | None = None
    docker_hub: DockerHubCredentials | None = None
    gcp_gar: ServiceKeyCredentials | None = None
    gcp_gcr: ServiceKeyCredentials | None = None
    aws_ecr: AwsCredentials | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if len(self.given()) != 1:
            raise ValueError(f"needs exactly one of {', '.join(type(self).model_fields)}")
        return self

    def given(self) -> dict[str, Strict]:
        """Returns the given kinds by name; a valid object has exactly one."""
        return {name: value for name, value in self.__dict__.items() if value is not None}


class HttpProbe(Strict):
    """A GET that must answer 2xx or 3xx."""

    path: HttpPath
    port: Port
    scheme: Literal["http", "https"] = "http"
    # Salad's API requires at least one header
    headers: Annotated[dict[Line, Line], Field(min_length=1, max_length=50)] = {"Accept": "application/json"}


class TcpProbe(Strict):
    """A connection that must be accepted."""

    port: Port


class ExecProbe(Strict):
    """A command in the container that must end with 0."""

    command: Annotated[list[Line], Field(min_length=1, max_length=100)]


class Probe(Strict):
    """One probe: exactly one of http, tcp and exec. A field that is left out gets Salad's default for this probe."""

    http: HttpProbe | None = None
    tcp: TcpProbe | None = None
    exec: ExecProbe | None = None
    initial_delay_seconds: Annotated[int, Field(ge=0, le=1200)] | None = None
    period_seconds: Annotated[int, Field(ge=1, le=120)] | None = None
    timeout_seconds: Annotated[int, Field(ge=1, le=60)] | None = None
    success_threshold: Annotated[int, Field(ge=1, le=10)] | None = None
    failure_threshold: Annotated[int, Field(ge=1, le=20)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.http, self.tcp, self.exec)) != 1:
            raise ValueError("needs exactly one of http, tcp, exec")
        return self


class Probes(Strict):
    """A group's probes; None for a probe that the group does not have."""

    readiness: Probe | None = None
    liveness: Probe | None = None
    startup: Probe | None = None


class QueueConnection(Strict):
    """The address in the container to which Salad's queue worker sends jobs."""

    port: Port = 8000
    path: HttpPath = "/generate"


WarmSeconds = Annotated[float, Field(gt=0, lt=DAY_SEC, strict=False)]
Replicas = Annotated[int, Field(ge=0, le=MAX_REPLICAS)]


class FixedScaling(Strict):
    """Scaling of a group whose replicas the fleet command sets.

    warm_seconds: how long a job takes on a warm instance.
    """

    mode: Literal["fixed"]
    replicas: Replicas
    warm_seconds: WarmSeconds


class TickScaling(Strict):
    """Scaling of a group whose replicas the tick sets; the fleet command only creates the group with `min`."""

    mode: Literal["tick"]
    min: Replicas
    max: Replicas
    warm_seconds: WarmSeconds

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min is {self.min}, more than max, which is {self.max}")
        return self


def _known_country(code: str) -> str:
    if code not in COUNTRIES:
        raise ValueError(f"Salad knows no country {code!r}; codes are two small letters, such as de")
    return code


class Group(Strict):
    """One container group."""

    name: Name
    display_name: DisplayName | None = None
    image: Annotated[str, Field(pattern=r"^\S+$", max_length=1024)]
    command: Annotated[list[Line], Field(min_length=1, max_length=100)] | None = None
    gpu_classes: Annotated[list[str], Field(min_length=1, max_length=100)]
    priority: Literal["high", "medium", "low", "batch"]
    cpu: Annotated[int, Field(ge=1, le=1024)]
    memory_mb: Annotated[int, Field(ge=1024, le=1_073_741_824)]
    shm_mb: Annotated[int, Field(ge=64, le=1_073_741_824)] = 64
    storage_mb: Annotated[int, Field(ge=1024, le=1_073_741_824)] | None = None
    countries: Annotated[list[Annotated[str, AfterValidator(_known_country)]], Field(max_length=500)] = []
    environment: dict[VariableName, Value] = {}
    registry_credentials: RegistryCredentials | None = None
    probes: Probes = Probes()
    queue_connection: QueueConnection = QueueConnection()
    scaling: Annotated[FixedScaling | TickScaling, Field(discriminator="mode")]


class QueueSpec(Strict):
    """The job queue."""

    name: Name
    display_name: DisplayName | None = None
    description: Annotated[str, Field(pattern=r"^[^\r\n]*$", max_length=500)] | None = None


class FleetFile(Strict):
    """The whole file, with the defaults already merged into the groups."""

    organization: Name
    project: Name
    queue: QueueSpec
    groups: Annotated[list[Group], Field(min_length=1, max_length=100)]  # Salad's limit for one queue
