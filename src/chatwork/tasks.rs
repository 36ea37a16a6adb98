//! Tasks of a room.

use super::operations::{CreateTasks, GetTask, ListTasks, SetTaskStatus};
use super::{AccountId, RoomHandle, TaskId, TaskStatus, requests, returns};

impl RoomHandle {
    /// The tasks of the room, at most 100. A task with several assignees is listed once for each of them.
    #[doc = returns!(ListTasks)]
    pub fn tasks(&self) -> requests::ListTasks {
        self.call(ListTasks::new(self.id))
    }

    /// Creates a task for these assignees; the response has one id for each. Like a post, it is never sent again once it may
    /// have arrived.
    #[doc = returns!(CreateTasks)]
    pub fn create_tasks(
        &self,
        body: impl Into<String>,
        to: impl IntoIterator<Item = AccountId>,
    ) -> requests::CreateTasks {
        self.call(CreateTasks::new(self.id, body, to))
    }

    /// One task.
    pub fn task(&self, id: TaskId) -> TaskHandle {
        TaskHandle { room: self.clone(), id }
    }
}

/// A task, by its room and id.
#[derive(Clone, Debug)]
pub struct TaskHandle {
    room: RoomHandle,
    id: TaskId,
}

impl TaskHandle {
    /// The task.
    #[doc = returns!(GetTask)]
    pub fn get(&self) -> requests::GetTask {
        self.room.call(GetTask::new(self.room.id, self.id))
    }

    /// Closes the task, or opens it again.
    #[doc = returns!(SetTaskStatus)]
    pub fn set_status(&self, status: TaskStatus) -> requests::SetTaskStatus {
        self.room.call(SetTaskStatus::new(self.room.id, self.id, status))
    }
}
