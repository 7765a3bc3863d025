-- SPDX-License-Identifier: Apache-2.0
-- Argo CD's view of a CallingBot. A drain, a paused rollout and one that waits for calls to end are steady states, and Healthy.
local hs = {status = "Progressing", message = "no controller has looked at it yet"}
if obj.metadata.deletionTimestamp ~= nil then
  hs.message = "its calls have to end before it goes"
end
local status = obj.status
if status == nil or status.observedGeneration ~= obj.metadata.generation or status.conditions == nil then
  return hs
end
local is = {}
for _, c in ipairs(status.conditions) do
  is[c.type] = c
end
if is.Reconciling ~= nil and is.Reconciling.status == "True" then
  return {status = "Progressing", message = is.Reconciling.message}
end
if is.Stalled ~= nil and is.Stalled.status == "True" then
  return {status = "Degraded", message = is.Stalled.message}
end
if obj.metadata.deletionTimestamp ~= nil then
  return hs
end
if is.Ready ~= nil and is.Ready.status == "True" then
  local message = is.Ready.message
  if is.RolloutComplete ~= nil and is.RolloutComplete.status == "False" then
    message = is.RolloutComplete.message
  end
  if obj.spec.rollout ~= nil and obj.spec.rollout.paused == true and is.RolloutComplete ~= nil and is.RolloutComplete.reason == "Paused" then
    return {status = "Suspended", message = message}
  end
  return {status = "Healthy", message = message}
end
if is.Ready ~= nil then
  hs.message = is.Ready.message
end
return hs
