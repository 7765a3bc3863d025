// SPDX-License-Identifier: Apache-2.0

// Package service carries flows out in calls whose media Microsoft Graph hosts: the service plays, records and notifies keys, and
// this asks it to. Signals is the part that is the same wherever a call's media is.
package service
