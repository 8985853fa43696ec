"""The control API's vocabulary: what may be asked on the Unix socket and what is answered.

Both ends import this module and nothing else of each other, so it stays light: no I/O, no server, no client.
Requests and replies are JSON objects; operations that take time answer with one JSON event a line, the last of
which is `Finished`. An error is `{"error": {"type", "message", "code"}}` at both HTTP and stream level.
"""

# `as` re-exports: `modelsvc` may import this package, but nothing of the core.
from supervisor.core.outlook import Outlook as Outlook
from supervisor.core.state import Color as Color
from supervisor.core.state import DeploymentKind as DeploymentKind
from supervisor.core.state import Outcome as Outcome
from supervisor.core.state import StepState as StepState
from supervisor.protocol.base import API_PREFIX as API_PREFIX
from supervisor.protocol.base import CONFIG_ENV as CONFIG_ENV
from supervisor.protocol.base import EXIT_CODES as EXIT_CODES
from supervisor.protocol.base import HOME_ENV as HOME_ENV
from supervisor.protocol.base import HTTP_STATUS as HTTP_STATUS
from supervisor.protocol.base import ErrorBody as ErrorBody
from supervisor.protocol.base import ErrorReply as ErrorReply
from supervisor.protocol.base import ErrorType as ErrorType
from supervisor.protocol.base import ExitCode as ExitCode
from supervisor.protocol.base import Struct as Struct
from supervisor.protocol.base import encode as encode
from supervisor.protocol.base import encode_text as encode_text
from supervisor.protocol.memory import AccountReport as AccountReport
from supervisor.protocol.memory import AccountRow as AccountRow
from supervisor.protocol.memory import ForecastReport as ForecastReport
from supervisor.protocol.memory import MemoryReport as MemoryReport
from supervisor.protocol.memory import ModelReport as ModelReport
from supervisor.protocol.memory import ObservationReport as ObservationReport
from supervisor.protocol.memory import Plan as Plan
from supervisor.protocol.memory import ProcessReport as ProcessReport
from supervisor.protocol.monitor import AlertReport as AlertReport
from supervisor.protocol.monitor import GrafanaFiles as GrafanaFiles
from supervisor.protocol.monitor import MonitorCheck as MonitorCheck
from supervisor.protocol.monitor import MonitorStatus as MonitorStatus
from supervisor.protocol.monitor import TargetReport as TargetReport
from supervisor.protocol.monitor import Targets as Targets
from supervisor.protocol.requests import DeployRequest as DeployRequest
from supervisor.protocol.requests import PrewarmRequest as PrewarmRequest
from supervisor.protocol.requests import StopRequest as StopRequest
from supervisor.protocol.settings import SETTABLE_KEYS as SETTABLE_KEYS
from supervisor.protocol.settings import ProtocolError as ProtocolError
from supervisor.protocol.settings import SettingValue as SettingValue
from supervisor.protocol.settings import check_settable as check_settable
from supervisor.protocol.settings import parse_assignment as parse_assignment
from supervisor.protocol.status import SILENT as SILENT
from supervisor.protocol.status import DeploymentStatus as DeploymentStatus
from supervisor.protocol.status import EdgeStatus as EdgeStatus
from supervisor.protocol.status import Explanation as Explanation
from supervisor.protocol.status import History as History
from supervisor.protocol.status import LastExit as LastExit
from supervisor.protocol.status import LogLines as LogLines
from supervisor.protocol.status import MemoryStatus as MemoryStatus
from supervisor.protocol.status import ReleaseStatus as ReleaseStatus
from supervisor.protocol.status import Status as Status
from supervisor.protocol.status import StepReport as StepReport
from supervisor.protocol.status import WatchStatus as WatchStatus
from supervisor.protocol.status import WorkerStatus as WorkerStatus
from supervisor.protocol.stream import Accepted as Accepted
from supervisor.protocol.stream import Finished as Finished
from supervisor.protocol.stream import Progress as Progress
from supervisor.protocol.stream import StepChanged as StepChanged
from supervisor.protocol.stream import StreamEvent as StreamEvent
from supervisor.protocol.stream import decode_event as decode_event
