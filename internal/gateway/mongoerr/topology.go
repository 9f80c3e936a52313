package mongoerr

// The codes that have to do with which node does what, and with a hello that waits for that to change.
const (
	ClientDisconnect        Code = 279
	NotPrimaryNoSecondaryOk Code = 13435
	AwaitWithoutTime        Code = 31368
	AwaitWithoutTopology    Code = 31371
	TopologyNegative        Code = 31372
	AwaitTimeNegative       Code = 31373
	TopologyAhead           Code = 31382
)

// IsStateChange reports whether drivers take the code for news of the server's role, and not only for an operation that failed.
func (c Code) IsStateChange() bool {
	switch c {
	case PrimarySteppedDown, InterruptedDueToReplState, NotWritablePrimary, NotPrimaryNoSecondaryOk:
		return true
	default:
		return false
	}
}
