package gateway

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// replSetGetStatus presents the cluster as hello does: a replica set of one.
func replSetGetStatus(_ context.Context, c *conn, _ *request) (bsoncore.Document, error) {
	cl := c.cluster
	now := cl.clock()
	optime := bson.D{{Key: "ts", Value: bson.Timestamp{T: uint32(now.Unix()), I: 1}}, {Key: "t", Value: int64(1)}}
	member := bson.D{
		{Key: "_id", Value: int32(0)},
		{Key: "name", Value: cl.host},
		{Key: "health", Value: 1.0},
		{Key: "state", Value: int32(1)},
		{Key: "stateStr", Value: "PRIMARY"},
		{Key: "uptime", Value: int32(cl.uptime().Seconds())},
		{Key: "optime", Value: optime},
		{Key: "optimeDate", Value: now},
		{Key: "electionDate", Value: cl.started},
		{Key: "configVersion", Value: int32(1)},
		{Key: "configTerm", Value: int32(1)},
		{Key: "self", Value: true},
		{Key: "lastHeartbeatMessage", Value: ""},
	}
	return marshal(bson.D{
		{Key: "set", Value: cl.spec.Name},
		{Key: "date", Value: now},
		{Key: "myState", Value: int32(1)},
		{Key: "term", Value: int64(1)},
		{Key: "syncSourceHost", Value: ""},
		{Key: "syncSourceId", Value: int32(-1)},
		{Key: "heartbeatIntervalMillis", Value: int64(2000)},
		{Key: "majorityVoteCount", Value: int32(members)},
		{Key: "writeMajorityCount", Value: int32(members)},
		{Key: "votingMembersCount", Value: int32(members)},
		{Key: "writableVotingMembersCount", Value: int32(members)},
		{Key: "optimes", Value: bson.D{
			{Key: "lastCommittedOpTime", Value: optime},
			{Key: "lastCommittedWallTime", Value: now},
			{Key: "readConcernMajorityOpTime", Value: optime},
			{Key: "appliedOpTime", Value: optime},
			{Key: "durableOpTime", Value: optime},
		}},
		{Key: "members", Value: bson.A{member}},
		{Key: "ok", Value: 1.0},
	})
}

func replSetGetConfig(_ context.Context, c *conn, _ *request) (bsoncore.Document, error) {
	member := bson.D{
		{Key: "_id", Value: int32(0)},
		{Key: "host", Value: c.cluster.host},
		{Key: "arbiterOnly", Value: false},
		{Key: "buildIndexes", Value: true},
		{Key: "hidden", Value: false},
		{Key: "priority", Value: 1.0},
		{Key: "tags", Value: bson.D{}},
		{Key: "secondaryDelaySecs", Value: int64(0)},
		{Key: "votes", Value: int32(1)},
	}
	return marshal(bson.D{
		{Key: "config", Value: bson.D{
			{Key: "_id", Value: c.cluster.spec.Name},
			{Key: "version", Value: int32(1)},
			{Key: "term", Value: int64(1)},
			{Key: "members", Value: bson.A{member}},
			{Key: "protocolVersion", Value: int64(1)},
			{Key: "writeConcernMajorityJournalDefault", Value: true},
		}},
		{Key: "ok", Value: 1.0},
	})
}
