-- SPDX-License-Identifier: Apache-2.0
-- Argo CD's view of a MeetingSession or Call. One that is over is Healthy, unless it failed; one whose time is to come is
-- Suspended.
local status = obj.status
if status == nil or status.phase == nil or status.phase == "" then
  return {status = "Progressing", message = "no controller has looked at it yet"}
end
local is = {}
for _, c in ipairs(status.conditions or {}) do
  is[c.type] = c
end
if status.phase == "Completed" then
  return {status = "Healthy", message = status.endReason or "it is over"}
end
if is.Stalled ~= nil and is.Stalled.status == "True" then
  return {status = "Degraded", message = is.Stalled.message}
end
if status.phase == "Scheduled" then
  return {status = "Suspended", message = is.Assigned ~= nil and is.Assigned.message or "startTime is ahead"}
end
if is.NeedsAttention ~= nil and is.NeedsAttention.status == "True" then
  return {status = "Degraded", message = is.NeedsAttention.message}
end
if status.phase == "Established" then
  return {status = "Healthy", message = "the bot is in the call"}
end
if is.Reconciling ~= nil and is.Reconciling.status == "True" then
  return {status = "Progressing", message = is.Reconciling.message}
end
return {status = "Progressing", message = status.phase}
