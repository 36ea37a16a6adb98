//! Tasks of a room.

use super::operations::{CreateTask, ListTasks, UpdateTask};
use super::{RoomHandle, TaskId, requests, returns};

impl RoomHandle {
    /// The tasks. A task in a list has no `version`: only the responses to a creation and a change have it.
    #[doc = returns!(ListTasks)]
    pub fn tasks(&self) -> requests::ListTasks {
        self.call(ListTasks::new(&self.id))
    }

    /// Creates a task with a title of 1 to 200 characters. A room without a board answers with status 400.
    #[doc = returns!(CreateTask)]
    pub fn create_task(&self, title: impl Into<String>) -> requests::CreateTask {
        self.call(CreateTask::new(&self.id, title))
    }

    /// One task.
    pub fn task(&self, id: impl Into<TaskId>) -> TaskHandle {
        TaskHandle { room: self.clone(), id: id.into() }
    }
}

/// A task, by its room and id.
#[derive(Clone, Debug)]
pub struct TaskHandle {
    room: RoomHandle,
    id: TaskId,
}

impl TaskHandle {
    /// Changes the fields that are set on the request. With `.version(…)` it fails with status 409 if the task has changed
    /// since; only the responses to a creation and a change have the version. After that 409, check the task in the list, and
    /// if the change is still wanted, send it without a version. `.clear_due_date()` removes the due date; without it the due
    /// date stays.
    #[doc = returns!(UpdateTask)]
    pub fn update(&self) -> requests::UpdateTask {
        self.room.call(UpdateTask::new(&self.room.id, &self.id))
    }
}
