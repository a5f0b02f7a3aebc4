export type { ContainmentKind, Exit, StdioPlan, TreeReport, Usage } from './containment/contract.js'
export type { Duration } from './durations.js'
export { CoppiceError, type ErrorCode, type ErrorDetails, isCoppiceError } from './errors.js'
export type { Proof, Survivor } from './proof.js'
export type { Cause } from './runs/causes.js'
export type { Outcome } from './runs/outcome.js'
export type { State, TerminalState } from './runs/states.js'
export type { SubagentLimits } from './runs/subagents.js'
export type { Size } from './sizes.js'
export type { UnfinishedCall } from './store/ending-contract.js'
export type { RunFilter, TranscriptItem, TranscriptRange } from './store/looking-contract.js'
export type { RunDoing, TreeProcess } from './supervisor/doing.js'
export type {
  EventName,
  LeftBehind,
  Recovered,
  StallWarning,
  StoreTrouble,
  SupervisorEvents,
  Transition,
} from './supervisor/events.js'
export type { KeeperHealth } from './supervisor/health.js'
export type { AppendOptions } from './supervisor/host/append-options.js'
export type { AttemptEntry } from './supervisor/host/attempt.js'
export type { AttemptContext, AttemptFunction } from './supervisor/host/attempt-once.js'
export type { AttemptOptions } from './supervisor/host/attempt-options.js'
export type { BreakerOptions } from './supervisor/host/breaker-options.js'
export type { BudgetOptions, SessionBudgetOptions } from './supervisor/host/budget-options.js'
export type { CancelOptions } from './supervisor/host/cancel-options.js'
export type { CloseOptions } from './supervisor/host/close-options.js'
export type { Ending, EndingHandler, EndingOptions } from './supervisor/host/endings.js'
export type { ExecHandle } from './supervisor/host/exec-handle.js'
export type { ExecOptions } from './supervisor/host/exec-options.js'
export type { ExecResult } from './supervisor/host/exec-result.js'
export type { HealthCheck, HealthChecks } from './supervisor/host/health-checks.js'
export type {
  CommitTimes,
  HealthCheckResult,
  HealthReason,
  HealthReport,
  HealthVerdict,
  LockAge,
  LoopTimes,
  MemoryUse,
  ReasonName,
  SupervisorHealth,
} from './supervisor/host/health-report.js'
export type { Inbox, InboxMessage } from './supervisor/host/inbox.js'
export type { LimitOptions } from './supervisor/host/limit-options.js'
export type { Logger } from './supervisor/host/logger.js'
export type { LoopTimeoutOption } from './supervisor/host/loop-timeout.js'
export type { KeepOption } from './supervisor/host/message-options.js'
export type { Listener } from './supervisor/host/news.js'
export type { PendingFilter, PendingRequest, PendingRequests } from './supervisor/host/pending.js'
export type { Accepted, BegunRun, Run, RunHandle } from './supervisor/host/run-faces.js'
export type { RunSpec } from './supervisor/host/spec.js'
export type { StopOptions } from './supervisor/host/stop-options.js'
export { openSupervisor, type Supervisor } from './supervisor/host/supervisor.js'
export type { SupervisorOptions } from './supervisor/host/supervisor-options.js'
export type { TimelineItem } from './supervisor/host/timeline.js'
export { isTransient } from './supervisor/host/transient.js'
export type {
  BreakerView,
  RunView,
  SessionView,
  SupervisorView,
  TreeView,
} from './supervisor/host/views.js'
export type { WaitOptions } from './supervisor/host/waits.js'
export type { WhyHolder, WhyView } from './supervisor/host/why-report.js'
