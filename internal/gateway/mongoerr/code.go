package mongoerr

import "strconv"

// Code is a MongoDB error code.
type Code int32

// The codes that the gateway itself uses.
const (
	InternalError                   Code = 1
	BadValue                        Code = 2
	FailedToParse                   Code = 9
	UserNotFound                    Code = 11
	Unauthorized                    Code = 13
	TypeMismatch                    Code = 14
	ProtocolError                   Code = 17
	AuthenticationFailed            Code = 18
	IllegalOperation                Code = 20
	LockTimeout                     Code = 24
	NamespaceNotFound               Code = 26
	CursorNotFound                  Code = 43
	ExceededTimeLimit               Code = 50
	CommandNotFound                 Code = 59
	InvalidOptions                  Code = 72
	RoleNotFound                    Code = 31
	InvalidNamespace                Code = 73
	WriteConflict                   Code = 112
	CommandNotSupported             Code = 115
	CursorInUse                     Code = 143
	ExceededMemoryLimit             Code = 146
	PrimarySteppedDown              Code = 189
	CannotBuildIndexKeys            Code = 201
	TransactionTooOld               Code = 225
	NoSuchTransaction               Code = 251
	TooManyLogicalSessions          Code = 261
	APIVersionError                 Code = 322
	MechanismUnavailable            Code = 334
	UnsupportedOpQueryCommand       Code = 352
	MaxSubPipelineDepthExceeded     Code = 232
	StageWithManyFields             Code = 40323
	UnrecognizedStage               Code = 40324
	NotWritablePrimary              Code = 10107
	BSONObjectTooLarge              Code = 10334
	DuplicateKey                    Code = 11000
	Interrupted                     Code = 11601
	InterruptedDueToReplState       Code = 11602
	OutOfDiskSpace                  Code = 14031
	UserWritesBlocked               Code = 371
	MissingField                    Code = 40414
	UnknownField                    Code = 40415
	DuplicateField                  Code = 40413
	IndexNotFound                   Code = 27
	UnknownReplWriteConcern         Code = 79
	NoReplicationEnabled            Code = 76
	UnsatisfiableWriteConcern       Code = 100
	APIStrictError                  Code = 323
	SearchNotEnabled                Code = 31082
	CommandNotSupportedOnView       Code = 166
	InvalidIndexSpecificationOption Code = 197
	NoSuchKey                       Code = 4
	InvalidLength                   Code = 16
	MultipleErrorsOccurred          Code = 65
	AlreadyExists                   Code = 51003
	AlreadyAuthenticated            Code = 5626501
	NamespaceExists                 Code = 48
	OperationNotSupportedInTxn      Code = 263
	DocumentFailedValidation        Code = 121
	IngressConnectionLimitReached   Code = 462
	TransactionCommitted            Code = 256
	ConflictingOperation            Code = 117
	TransactionExceededLifetime     Code = 290
	CursorOfOtherSession            Code = 50738
	NotARetryableWrite              Code = 50768
)

// String is the name MongoDB gives the code: codeName in its replies. Codes without a name of their own are called
// after the place that raises them, "Location" and the number.
func (c Code) String() string {
	if name := codeName(c); name != "" {
		return name
	}
	return "Location" + strconv.Itoa(int(c))
}

// codeName is a switch and not a map, so that the package has no mutable state.
//
//nolint:funlen,gocyclo // it is a table
func codeName(c Code) string {
	switch c {
	case InternalError:
		return "InternalError"
	case BadValue:
		return "BadValue"
	case 5:
		return "GraphContainsCycle"
	case 6:
		return "HostUnreachable"
	case FailedToParse:
		return "FailedToParse"
	case UserNotFound:
		return "UserNotFound"
	case Unauthorized:
		return "Unauthorized"
	case TypeMismatch:
		return "TypeMismatch"
	case 15:
		return "Overflow"
	case InvalidLength:
		return "InvalidLength"
	case ProtocolError:
		return "ProtocolError"
	case AuthenticationFailed:
		return "AuthenticationFailed"
	case IllegalOperation:
		return "IllegalOperation"
	case 23:
		return "AlreadyInitialized"
	case LockTimeout:
		return "LockTimeout"
	case NamespaceNotFound:
		return "NamespaceNotFound"
	case IndexNotFound:
		return "IndexNotFound"
	case 28:
		return "PathNotViable"
	case 31:
		return "RoleNotFound"
	case 34:
		return "CannotBackfillArray"
	case 40:
		return "ConflictingUpdateOperators"
	case CursorNotFound:
		return "CursorNotFound"
	case NamespaceExists:
		return "NamespaceExists"
	case ExceededTimeLimit:
		return "MaxTimeMSExpired"
	case 52:
		return "DollarPrefixedFieldName"
	case 53:
		return "InvalidIdField"
	case 54:
		return "NotSingleValueField"
	case 55:
		return "InvalidDBRef"
	case 56:
		return "EmptyFieldName"
	case 57:
		return "DottedFieldName"
	case CommandNotFound:
		return "CommandNotFound"
	case 61:
		return "ShardKeyNotFound"
	case 66:
		return "ImmutableField"
	case 67:
		return "CannotCreateIndex"
	case 68:
		return "IndexAlreadyExists"
	case InvalidOptions:
		return "InvalidOptions"
	case InvalidNamespace:
		return "InvalidNamespace"
	case 85:
		return "IndexOptionsConflict"
	case 86:
		return "IndexKeySpecsConflict"
	case 91:
		return "ShutdownInProgress"
	case 111:
		return "NotExactValueField"
	case WriteConflict:
		return "WriteConflict"
	case CommandNotSupported:
		return "CommandNotSupported"
	case ConflictingOperation:
		return "ConflictingOperationInProgress"
	case 118:
		return "NamespaceNotSharded"
	case DocumentFailedValidation:
		return "DocumentValidationFailure"
	case 133:
		return "FailedToSatisfyReadPreference"
	case CursorInUse:
		return "CursorInUse"
	case ExceededMemoryLimit:
		return "ExceededMemoryLimit"
	case 159:
		return "DurationOverflow"
	case 165:
		return "ViewDepthLimitExceeded"
	case CommandNotSupportedOnView:
		return "CommandNotSupportedOnView"
	case 167:
		return "OptionNotSupportedOnView"
	case 181:
		return "AmbiguousIndexKeyPattern"
	case 186:
		return "ClientMetadataCannotBeMutated"
	case PrimarySteppedDown:
		return "PrimarySteppedDown"
	case InvalidIndexSpecificationOption:
		return "InvalidIndexSpecificationOption"
	case CannotBuildIndexKeys:
		return "CannotBuildIndexKeys"
	case 224:
		return "QueryFeatureNotAllowed"
	case TransactionTooOld:
		return "TransactionTooOld"
	case 232:
		return "MaxSubPipelineDepthExceeded"
	case 241:
		return "ConversionFailure"
	case NoSuchTransaction:
		return "NoSuchTransaction"
	case TransactionCommitted:
		return "TransactionCommitted"
	case TransactionExceededLifetime:
		return "TransactionExceededLifetimeLimitSeconds"
	case NotARetryableWrite:
		return "NotARetryableWriteCommand"
	case TooManyLogicalSessions:
		return "TooManyLogicalSessions"
	case OperationNotSupportedInTxn:
		return "OperationNotSupportedInTransaction"
	case 276:
		return "IndexBuildAborted"
	case 291:
		return "NoQueryExecutionPlans"
	case APIStrictError:
		return "APIStrictError"
	case UnknownReplWriteConcern:
		return "UnknownReplWriteConcern"
	case NoReplicationEnabled:
		return "NoReplicationEnabled"
	case UnsatisfiableWriteConcern:
		return "UnsatisfiableWriteConcern"
	case SearchNotEnabled:
		return "SearchNotEnabled"
	case NoSuchKey:
		return "NoSuchKey"
	case MultipleErrorsOccurred:
		return "MultipleErrorsOccurred"
	case APIVersionError:
		return "APIVersionError"
	case MechanismUnavailable:
		return "MechanismUnavailable"
	case UnsupportedOpQueryCommand:
		return "UnsupportedOpQueryCommand"
	case 361:
		return "CollectionUUIDMismatch"
	case 391:
		return "ReauthenticationRequired"
	case IngressConnectionLimitReached:
		return "IngressRequestRateLimitExceeded"
	case 8000:
		return "AtlasError"
	case ClientDisconnect:
		return "ClientDisconnect"
	case NotPrimaryNoSecondaryOk:
		return "NotPrimaryNoSecondaryOk"
	case NotWritablePrimary:
		return "NotWritablePrimary"
	case BSONObjectTooLarge:
		return "BSONObjectTooLarge"
	case DuplicateKey:
		return "DuplicateKey"
	case Interrupted:
		return "Interrupted"
	case InterruptedDueToReplState:
		return "InterruptedDueToReplStateChange"
	case 12587:
		return "BackgroundOperationInProgressForNamespace"
	case 13297:
		return "DatabaseDifferCase"
	case 13113:
		return "MergeStageNoMatchingDocument"
	case UserWritesBlocked:
		return "UserWritesBlocked"
	case OutOfDiskSpace:
		return "OutOfDiskSpace"
	default:
		return ""
	}
}
